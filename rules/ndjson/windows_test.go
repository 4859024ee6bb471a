package ndjson

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crmwatch/crmwatch/event"
)

func TestWindows(t *testing.T) {
	const sysmon = `{"Event":{"#attributes":{"xmlns":"http://schemas.microsoft.com/win/2004/08/events/event"},
		"System":{"Provider":{"#attributes":{"Name":"Microsoft-Windows-Sysmon","Guid":"{1}"}},"EventID":1,"Level":4,
			"Execution":{"#attributes":{"ProcessID":3368}},"Channel":"Microsoft-Windows-Sysmon/Operational","Security":null},
		"EventData":{"RuleName":"-","Image":"C:\\Windows\\cmd.exe","Level":"High","Channel":null}}}`
	const wmi = `{"Event":{"System":{"EventID":{"#attributes":{"Qualifiers":16384},"#text":5858},"Provider_attributes":{"Name":"WMI"}},
		"UserData":{"Operation_ClientFailure":{"#attributes":{"xmlns":"x"},"User":"host\\user","ClientProcessId":25920}}}}`
	const service = `{"Event":{"System":{"EventID":7036},"EventData":{"Data":{"#text":["one","two"]},"Binary":null}}}`
	const winlogbeat = `{"winlog":{"event_id":4624,"channel":"Security","provider_name":"P","event_data":{"LogonType":"3"}}}`
	for _, test := range []struct {
		name, field, line string
		want              event.Value
	}{
		{"event data", "Image", sysmon, text(`C:\Windows\cmd.exe`)},
		{"system", "EventID", sysmon, number(1)},
		{"event data before system", "Level", sysmon, text("High")},
		{"null in event data before system", "Channel", sysmon, event.NullValue()},
		{"attribute", "Provider_Name", sysmon, text("Microsoft-Windows-Sysmon")},
		{"another attribute", "Execution_ProcessID", sysmon, number(3368)},
		{"full name", "Event.EventData.Image", sysmon, text(`C:\Windows\cmd.exe`)},
		{"full name of an attribute", "Event.System.Provider.#attributes.Name", sysmon, text("Microsoft-Windows-Sysmon")},
		{"not there", "CommandLine", sysmon, absent},
		{"not anywhere deeper", "xmlns", sysmon, absent},
		{"own name wins", "Image", `{"Event":{"EventData":{"Image":"inner"}},"Image":"outer"}`, text("outer")},
		{"own name wins, earlier", "Image", `{"Image":"outer","Event":{"EventData":{"Image":"inner"}}}`, text("outer")},
		{"text beside attributes", "EventID", wmi, number(5858)},
		{"user data", "ClientProcessId", wmi, number(25920)},
		{"user data by full name", "Event.UserData.Operation_ClientFailure.User", wmi, text(`host\user`)},
		{"attributes apart", "Provider_Name", wmi, text("WMI")},
		{"data without names", "Data", service, list(text("one"), text("two"))},
		{"list of data", "Data", `{"Event":{"EventData":{"Data":["one","two"]}}}`, list(text("one"), text("two"))},
		{"Winlogbeat event data", "LogonType", winlogbeat, text("3")},
		{"Winlogbeat id", "EventID", winlogbeat, number(4624)},
		{"Winlogbeat channel", "Channel", winlogbeat, text("Security")},
		{"Winlogbeat provider", "Provider_Name", winlogbeat, text("P")},
		{"a name with spaces", "SourceName", `{"Event":{"EventData":{"Source Name":"Real-Time Protection","Path":"p"}}}`, text("Real-Time Protection")},
		{"a name without spaces before", "SourceName", `{"Event":{"EventData":{"Source Name":"x","SourceName":"y"}}}`, text("y")},
		{"no spaces elsewhere", "SourceName", `{"Source Name":"x"}`, absent},
		{"other records", "EventID", `{"Event":"login","System":{"EventID":1}}`, absent},
	} {
		t.Run(test.name, func(t *testing.T) {
			rec, err := scannerOf(false, test.field).Scan([]byte(test.line))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, rec.Values[0]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.field, diff)
			}
		})
	}
}

// Two rules may name the same place differently.
func TestWindowsShortAndFullName(t *testing.T) {
	sc := scannerOf(false, "User", "Event.UserData.Operation.User", "Event.EventData.User")
	for line, want := range map[string][]event.Value{
		`{"Event":{"UserData":{"Operation":{"User":"x"}}}}`: {text("x"), text("x"), absent},
		`{"Event":{"UserData":{"Other":{"User":"x"}}}}`:     {text("x"), absent, absent},
		`{"Event":{"EventData":{"User":"x"}}}`:              {text("x"), absent, text("x")},
	} {
		rec, err := sc.Scan([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, rec.Values); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
	}
}
