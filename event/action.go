package event

// Valid reports whether crmwatch knows the action.
func (a Action) Valid() bool { return a.class() != 0 }

// OCSF gives the class and the activity of the action in OCSF 1.5.0, and so the
// type uid, class*100+activity (https://schema.ocsf.io/1.5.0/classes). An
// unknown action is 0, 0.
func (a Action) OCSF() (class, activity int) { return a.class(), actions[a].activity }

// TypeUID is the OCSF type_uid of the action.
func (a Action) TypeUID() int {
	class, activity := a.OCSF()
	return class*100 + activity
}

func (a Action) class() int { return actions[a].class }

type ocsf struct{ class, activity int }

var actions = map[Action]ocsf{
	Login:            {3002, 1},
	LoginFailed:      {3002, 1}, // told apart by status_id 2
	Logout:           {3002, 2},
	LoginAs:          {3002, 1}, // Account Switch comes with OCSF 1.6
	View:             {6001, 2},
	Search:           {6001, 5},
	Export:           {6001, 7},
	Download:         {6006, 2},
	APICall:          {6003, 2},
	Create:           {6001, 1},
	Edit:             {6001, 3},
	Delete:           {6001, 4},
	Import:           {6001, 6},
	Share:            {6001, 8},
	PermissionChange: {3005, 1},
	UserChange:       {3001, 99},
	AppAuthorize:     {3004, 8},
	ConfigChange:     {3004, 3},
	Other:            {6003, 99},
}
