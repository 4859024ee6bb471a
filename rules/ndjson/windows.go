package ndjson

import "strings"

// Rules for Windows name the fields of its event log by their short names,
// "Image" and "EventID", and leave it to others where a record has them. So a
// name that a record does not have as it stands is also looked up in the places
// where exporters put it:
//
//	{"Event":{"System":{"EventID":1,"Provider":{"#attributes":{"Name":"…"}}},"EventData":{"Image":"…"}}}
//	{"winlog":{"event_id":1,"provider_name":"…","event_data":{"Image":"…"}}}
//
// Other records do not pay for it: the routes begin with keys that they lack.

// windowsPlaces are the objects that have fields of the event log, the first that
// has the field counts.
var windowsPlaces = [][]string{
	{"Event", "EventData"},
	{"Event", "System"},
	{"Event", "UserData"},
	{"Event", "UserData", anyKey}, // what is in it is wrapped in an object named after its type
	{"winlog", "event_data"},
	{"winlog", "user_data"},
}

// winlogNames are the short names of what Winlogbeat names otherwise.
var winlogNames = map[string]string{
	"Channel":       "channel",
	"Computer":      "computer_name",
	"EventID":       "event_id",
	"Provider_Name": "provider_name",
}

// ownRank is above the ranks of all routes of Windows, two for each place and two
// for attributes and Winlogbeat's names.
const ownRank = 15

// apart writes the words of a name apart: of SourceName, which rules for Microsoft
// Defender know "Source Name" by, because Sigma's names have no spaces.
func apart(name string) string {
	var b strings.Builder
	for i := range len(name) {
		if i > 0 && name[i] >= 'A' && name[i] <= 'Z' && name[i-1] >= 'a' && name[i-1] <= 'z' {
			b.WriteByte(' ')
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

// windowsRoutes lists the ways to a field of the Windows event log.
func windowsRoutes(field int, name []string) []route {
	var list []route
	add := func(rank int, before, name, behind []string) {
		list = append(list, route{target{field, uint64(rank) << rankShift}, before, name, behind})
	}
	for i, place := range windowsPlaces {
		rank := 2 * (len(windowsPlaces) - i)
		add(rank, place, name, nil)
		// An element with attributes is an object that has its text under this key.
		add(rank+1, place, name, []string{"#text"})
	}
	path := strings.Join(name, ".")
	if words := apart(path); words != path {
		add(1, []string{"Event", "EventData", words}, nil, nil)
	}
	if element, attribute, ok := strings.Cut(path, "_"); ok {
		add(1, []string{"Event", "System", element, "#attributes", attribute}, nil, nil)
		add(1, []string{"Event", "System", element + "_attributes", attribute}, nil, nil)
	}
	if key := winlogNames[path]; key != "" {
		add(1, []string{"winlog", key}, nil, nil)
	}
	return list
}
