package simulate

// objectKind is a kind of record, under the one name that all four CRMs' records
// carry here.
type objectKind uint8

const (
	noObject objectKind = iota
	accountObject
	contactObject
	leadObject
	opportunityObject
	caseObject
	contractObject
	invoiceObject
	campaignObject
	userObject
	reportObject
	listObject
	fileObject
)

// kinds gives each kind's name and the key prefix of its Salesforce ids.
var kinds = [...]struct{ name, prefix string }{
	noObject:          {"", ""},
	accountObject:     {"Account", "001"},
	contactObject:     {"Contact", "003"},
	leadObject:        {"Lead", "00Q"},
	opportunityObject: {"Opportunity", "006"},
	caseObject:        {"Case", "500"},
	contractObject:    {"Contract", "800"},
	invoiceObject:     {"Invoice", "a0I"},
	campaignObject:    {"Campaign", "701"},
	userObject:        {"User", "005"},
	reportObject:      {"Report", "00O"},
	listObject:        {"ListView", "00B"},
	fileObject:        {"ContentDocument", "069"},
}

// object is one record of a CRM. of is what a report or a list shows.
type object struct {
	kind, of objectKind
	id       uint32
}

func (o object) name() string { return kinds[o.kind].name }
