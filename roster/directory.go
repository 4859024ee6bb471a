package roster

import "strings"

// directory is one state of the book. It never changes.
type directory struct {
	people   map[Ref]*Person
	accounts map[accountKey]owned
	emails   map[Ref]*Person // by address, folded
}

// accountKey names an account; make it with keyOf.
type accountKey struct{ tenant, source, id string }

type owned struct {
	person  *Person
	account *Account
}

// keyOf folds a login name that is an e-mail address: CRMs do not heed the case
// of those. Ids may differ by case alone.
func keyOf(tenant, source, id string) accountKey {
	if strings.IndexByte(id, '@') >= 0 {
		id = strings.ToLower(id)
	}
	return accountKey{tenant, source, id}
}

func newDirectory(people map[Ref]*Person) *directory {
	if people == nil {
		people = map[Ref]*Person{}
	}
	d := &directory{people: people, accounts: make(map[accountKey]owned, 2*len(people)), emails: make(map[Ref]*Person, len(people))}
	for n, p := range people {
		if p.Email != "" {
			k := Ref{n.Tenant, strings.ToLower(p.Email)}
			d.emails[k] = heir(d.emails[k], p)
		}
		for i := range p.Accounts {
			a := &p.Accounts[i]
			k := keyOf(n.Tenant, a.Source, a.ID)
			if heir(d.accounts[k].person, p) == p {
				d.accounts[k] = owned{p, a}
			}
		}
	}
	return d
}

// heir decides between two people who claim the same thing, in whichever order
// they come: the one who stays longer, who began later, whose id is first. p may
// be nil. One human being who left and came back often is two people.
func heir(p, q *Person) *Person {
	switch {
	case p == nil:
		return q
	case p.LastDay != q.LastDay:
		// LastDay 0 is no last day; as an unsigned number minus one it is the largest.
		if uint32(p.LastDay)-1 > uint32(q.LastDay)-1 {
			return p
		}
		return q
	case p.FirstDay != q.FirstDay:
		if p.FirstDay > q.FirstDay {
			return p
		}
		return q
	case p.ID < q.ID:
		return p
	default:
		return q
	}
}

func (d *directory) find(tenant, source, accountID, accountName, email string) *Person {
	for _, id := range [...]string{accountID, accountName} {
		if id == "" {
			continue
		}
		if o, ok := d.accounts[keyOf(tenant, source, id)]; ok {
			return o.person
		}
	}
	for _, address := range [...]string{email, accountName} {
		if strings.IndexByte(address, '@') < 0 {
			continue
		}
		if p, ok := d.emails[Ref{tenant, strings.ToLower(address)}]; ok {
			return p
		}
	}
	return nil
}
