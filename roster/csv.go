package roster

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Columns names the columns of a roster file. An empty name stands for the
// default, which is the key in the configuration: "person_id" and so on. Only the
// column of ids must be there, and those that are named here. Names are compared
// without regard to case.
type Columns struct {
	PersonID   string `yaml:"person_id"`
	Tenant     string `yaml:"tenant"`
	Name       string `yaml:"name"`
	Email      string `yaml:"email"`
	Department string `yaml:"department"`
	Role       string `yaml:"role"`
	Manager    string `yaml:"manager"`
	TimeZone   string `yaml:"time_zone"`
	WorkDays   string `yaml:"work_days"`
	WorkFrom   string `yaml:"work_from"`
	WorkTo     string `yaml:"work_to"`
	FirstDay   string `yaml:"first_day"`
	LastDay    string `yaml:"last_day"`
	Accounts   string `yaml:"accounts"`
}

// Mistake is something wrong in a roster file. It never repeats the content.
type Mistake struct {
	File  string
	Line  int    // from 1; 0 where it is the file as a whole
	Field string // the name of the column; empty where it is the whole line
	Msg   string
}

func (m *Mistake) Error() string {
	var b strings.Builder
	b.WriteString(m.File)
	if m.Line > 0 {
		fmt.Fprintf(&b, ":%d", m.Line)
	}
	b.WriteString(": ")
	if m.Field != "" {
		fmt.Fprintf(&b, "field %q: ", m.Field)
	}
	return b.String() + m.Msg
}

// maxMistakes is how many mistakes of a file are told.
const maxMistakes = 100

// column is one column of a roster file.
type column struct {
	name   string // the default
	field  string // of event.FieldError, where it is another
	mapped func(*Columns) string
	get    func(*Person) string
	set    func(*Person, string) error
}

func textColumn(name string, mapped func(*Columns) string, at func(*Person) *string) column {
	return column{
		name: name, mapped: mapped,
		get: func(p *Person) string { return *at(p) },
		set: func(p *Person, s string) error { *at(p) = s; return nil },
	}
}

func parsedColumn[T any](name string, mapped func(*Columns) string, get func(*Person) string, parse func(string) (T, error), at func(*Person) *T) column {
	return column{
		name: name, mapped: mapped, get: get,
		set: func(p *Person, s string) (err error) { *at(p), err = parse(s); return err },
	}
}

// ifHours writes a part of the working hours, which are there as a whole or not
// at all.
func ifHours(format func(Hours) string) func(*Person) string {
	return func(p *Person) string {
		if p.Hours == (Hours{}) {
			return ""
		}
		return format(p.Hours)
	}
}

// columns are the columns in the order in which WriteCSV writes them.
var columns = func() []column {
	id := textColumn("person_id", func(c *Columns) string { return c.PersonID }, func(p *Person) *string { return &p.ID })
	id.field = "id"
	return []column{
		id,
		textColumn("tenant", func(c *Columns) string { return c.Tenant }, func(p *Person) *string { return &p.Tenant }),
		textColumn("name", func(c *Columns) string { return c.Name }, func(p *Person) *string { return &p.Name }),
		textColumn("email", func(c *Columns) string { return c.Email }, func(p *Person) *string { return &p.Email }),
		textColumn("department", func(c *Columns) string { return c.Department }, func(p *Person) *string { return &p.Department }),
		textColumn("role", func(c *Columns) string { return c.Role }, func(p *Person) *string { return &p.Role }),
		textColumn("manager", func(c *Columns) string { return c.Manager }, func(p *Person) *string { return &p.Manager }),
		textColumn("time_zone", func(c *Columns) string { return c.TimeZone }, func(p *Person) *string { return &p.TimeZone }),
		parsedColumn("work_days", func(c *Columns) string { return c.WorkDays }, ifHours(func(h Hours) string { return formatDays(h.Days) }),
			parseDays, func(p *Person) *uint8 { return &p.Hours.Days }),
		parsedColumn("work_from", func(c *Columns) string { return c.WorkFrom }, ifHours(func(h Hours) string { return formatClock(h.From) }),
			parseClock, func(p *Person) *int { return &p.Hours.From }),
		parsedColumn("work_to", func(c *Columns) string { return c.WorkTo }, ifHours(func(h Hours) string { return formatClock(h.To) }),
			parseClock, func(p *Person) *int { return &p.Hours.To }),
		parsedColumn("first_day", func(c *Columns) string { return c.FirstDay }, func(p *Person) string { return p.FirstDay.String() },
			ParseDay, func(p *Person) *Day { return &p.FirstDay }),
		parsedColumn("last_day", func(c *Columns) string { return c.LastDay }, func(p *Person) string { return p.LastDay.String() },
			ParseDay, func(p *Person) *Day { return &p.LastDay }),
		parsedColumn("accounts", func(c *Columns) string { return c.Accounts }, func(p *Person) string { return formatAccounts(p.Accounts) },
			parseAccounts, func(p *Person) *[]Account { return &p.Accounts }),
	}
}()

// hoursColumns are the columns that are filled together or not at all.
var hoursColumns = []string{"work_days", "work_from", "work_to"}

// ReadCSV reads a roster file: a header and one person a line, separated by
// commas, semicolons or tabs, in UTF-8, in UTF-16 with a byte order mark, or in
// GB18030 as Chinese office programs export it. name stands for the file in
// errors.
//
// Either all people are returned or none: the error joins every *Mistake of the
// file, up to a hundred. Two people must not have one id, nor one account. A
// person's Tenant is empty where the file has no such column; it is the caller's
// to set then.
//
// Working days are written "Mon-Fri" or "1-5", hours "08:30", days "2026-01-31",
// "2026/1/31" or "2026年1月31日", and accounts "salesforce:0055…;zoho:…", each
// followed by "@" and an RFC 3339 time where its last activity is known.
func ReadCSV(r io.Reader, name string, m Columns) ([]Person, error) {
	text, err := readText(r)
	if err != nil {
		return nil, &Mistake{File: name, Msg: err.Error()}
	}
	s := &sheet{file: name, ids: map[[2]string]int{}, accounts: map[accountKey]int{}}
	s.read(text, &m)
	if err := s.mistakes(); err != nil {
		return nil, err
	}
	return s.people, nil
}

// sheet is a roster file being read.
type sheet struct {
	file   string
	header []string
	fields []field // one for every column that is used

	people   []Person
	ids      map[[2]string]int  // tenant and id: the line they are on
	accounts map[accountKey]int // the line they are on

	wrong []error
	more  int // mistakes beyond those in wrong
}

// field is a column at its place in the file.
type field struct {
	column
	header string
	index  int
}

func (s *sheet) bad(line int, field, msg string) {
	if len(s.wrong) == maxMistakes {
		s.more++
		return
	}
	s.wrong = append(s.wrong, &Mistake{File: s.file, Line: line, Field: field, Msg: msg})
}

func (s *sheet) mistakes() error {
	if s.more > 0 {
		s.wrong = append(s.wrong, fmt.Errorf("%s: and %d mistakes more", s.file, s.more))
	}
	return errors.Join(s.wrong...)
}

func (s *sheet) read(text string, m *Columns) {
	r := csv.NewReader(strings.NewReader(text))
	r.Comma = separator(text)
	r.FieldsPerRecord = -1
	for {
		row, err := r.Read()
		if err == io.EOF {
			break
		}
		if broken, ok := errors.AsType[*csv.ParseError](err); ok {
			s.bad(broken.StartLine, "", "has a stray or a missing quotation mark")
			continue
		}
		line, _ := r.FieldPos(0)
		switch {
		case s.header == nil:
			s.header = row
			if !s.readHeader(line, m) {
				return
			}
		case slices.Equal(row, s.header):
			s.bad(line, "", "repeats the header")
		case len(row) != len(s.header):
			s.bad(line, "", fmt.Sprintf("has %d fields, and the header %d", len(row), len(s.header)))
		default:
			s.readPerson(r, row)
		}
	}
	if len(s.people) == 0 && len(s.wrong) == 0 {
		s.bad(0, "", "has no people")
	}
}

// readHeader finds the columns.
func (s *sheet) readHeader(line int, m *Columns) bool {
	for _, c := range columns {
		header := c.mapped(m)
		required := header != "" || c.name == "person_id"
		if header == "" {
			header = c.name
		}
		same := func(h string) bool { return strings.EqualFold(strings.TrimSpace(h), header) }
		i := slices.IndexFunc(s.header, same)
		switch {
		case i >= 0 && slices.IndexFunc(s.header[i+1:], same) >= 0:
			s.bad(line, header, "is there as a column twice")
		case i >= 0:
			s.fields = append(s.fields, field{c, header, i})
		case required:
			s.bad(line, header, "is missing as a column")
		}
	}
	return len(s.wrong) == 0
}

func (s *sheet) readPerson(r *csv.Reader, row []string) {
	line, _ := r.FieldPos(0)
	before := len(s.wrong) + s.more
	var p Person
	filled := map[string]bool{}
	for _, f := range s.fields {
		cell := unguard(strings.TrimSpace(row[f.index]))
		if cell == "" {
			continue
		}
		filled[f.name] = true
		if err := f.set(&p, cell); err != nil {
			at, _ := r.FieldPos(f.index)
			s.bad(at, f.header, err.Error())
		}
	}
	s.checkHours(line, filled)
	if len(s.wrong)+s.more > before {
		return // what follows would only repeat it
	}
	for _, problem := range p.problems() {
		s.bad(line, s.headerOf(problem.Field), problem.Msg)
	}
	s.checkUnique(line, &p)
	s.people = append(s.people, p)
}

// checkHours asks for all of the working hours or none.
func (s *sheet) checkHours(line int, filled map[string]bool) {
	n := 0
	for _, c := range hoursColumns {
		if filled[c] {
			n++
		}
	}
	if n == 0 || n == len(hoursColumns) {
		return
	}
	for _, c := range hoursColumns {
		if !filled[c] {
			s.bad(line, s.headerOf(c), "is needed where the other working hours are")
		}
	}
}

// headerOf is the header of the column that a problem's field is in.
func (s *sheet) headerOf(name string) string {
	if name == "hours" {
		name = "work_to"
	}
	for _, f := range s.fields {
		if f.name == name || f.field == name {
			return f.header
		}
	}
	return name
}

func (s *sheet) checkUnique(line int, p *Person) {
	id := [2]string{p.Tenant, p.ID}
	if first, ok := s.ids[id]; ok {
		s.bad(line, s.headerOf("person_id"), fmt.Sprintf("is on line %d already", first))
		return
	}
	s.ids[id] = line
	for i, a := range p.Accounts {
		k := keyOf(p.Tenant, a.Source, a.ID)
		if first, ok := s.accounts[k]; ok && first != line {
			s.bad(line, s.headerOf("accounts"), fmt.Sprintf("account %d is the person's on line %d already", i+1, first))
			continue
		}
		s.accounts[k] = line
	}
}

// WriteCSV writes people in the form that ReadCSV reads with the default Columns.
// It fails, perhaps after a part was written, where a person is not valid or an
// account has an id that the form cannot tell from others.
func WriteCSV(w io.Writer, people []Person) error {
	out := csv.NewWriter(w)
	row := make([]string, len(columns))
	for i, c := range columns {
		row[i] = c.name
	}
	if err := out.Write(row); err != nil {
		return fmt.Errorf("write roster: %w", err)
	}
	for n := range people {
		p := &people[n]
		if err := writable(p); err != nil {
			return fmt.Errorf("write person %d of %d: %w", n+1, len(people), err)
		}
		for i, c := range columns {
			row[i] = guard(c.get(p))
		}
		if err := out.Write(row); err != nil {
			return fmt.Errorf("write roster: %w", err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write roster: %w", err)
	}
	return nil
}

// writable reports why the form cannot hold the person.
func writable(p *Person) error {
	for _, problem := range p.problems() {
		return problem
	}
	back, err := parseAccounts(formatAccounts(p.Accounts))
	if len(p.Accounts) > 0 && (err != nil || !(Person{Accounts: back}).Equal(Person{Accounts: p.Accounts})) {
		return errors.New("accounts with such ids cannot be written")
	}
	return nil
}
