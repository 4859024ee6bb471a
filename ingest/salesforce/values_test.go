package salesforce

import (
	"bufio"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
	"time"
)

// Real rows carry the id in both forms, so they are the oracle.
func TestID18AgreesWithSalesforce(t *testing.T) {
	f, err := os.Open("testdata/elf_2020_lower_case_json/input.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	checked := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var row map[string]string
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		for name, long := range row {
			short, ok := row[strings.TrimSuffix(name, "_derived")]
			if !ok || !strings.HasSuffix(name, "_id_derived") {
				continue
			}
			checked++
			if got := id18(short); got != long {
				t.Errorf("id18(%q) = %q, Salesforce says %q", short, got, long)
			}
		}
	}
	if checked < 15 {
		t.Errorf("only %d ids were checked", checked)
	}
}

func TestID18LeavesTheRest(t *testing.T) {
	for _, id := range []string{"", "0055f00000AbCdEAAQ", "0055f00000AbCd", "0055f00000AbC-E", "ÄÄÄÄÄÄÄa"} {
		if got := id18(id); got != id {
			t.Errorf("id18(%q) = %q, want it unchanged", id, got)
		}
	}
}

func TestParseTime(t *testing.T) {
	for in, want := range map[string]string{
		"20231218054831.655":           "2023-12-18T05:48:31.655Z",
		"20211019050707.13":            "2021-10-19T05:07:07.13Z",
		"20211019050707":               "2021-10-19T05:07:07Z",
		"2015-07-27T11:32:59.555Z":     "2015-07-27T11:32:59.555Z",
		"2022-09-14T21:43:41.000+0000": "2022-09-14T21:43:41Z",
		"2022-09-14T21:43:41+0530":     "2022-09-14T16:13:41Z",
		"2021-10-19T11:47:22Z":         "2021-10-19T11:47:22Z",
		"2023-05-04 21:36:47.569":      "2023-05-04T21:36:47.569Z",
		"1634644042000":                "2021-10-19T11:47:22Z",
		"1634644042":                   "2021-10-19T11:47:22Z",
	} {
		got, ok := parseTime(in)
		if !ok || got.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("parseTime(%q) = %v, %v, want %s", in, got, ok, want)
		}
	}
	for _, in := range []string{"", ".", "1", "-1634644042000", "20211319050707", "20211019250707", "2021-10-19", "99999999999999999999", "20211019050707.1x", "2021-10-19T11:47:22"} {
		if got, ok := parseTime(in); ok {
			t.Errorf("parseTime(%q) = %v, want a refusal", in, got)
		}
	}
}

func TestAddress(t *testing.T) {
	for in, want := range map[string]string{
		"203.0.113.7": "203.0.113.7", "2001:DB8:0::0:1": "2001:db8::1", "::ffff:10.0.0.1": "10.0.0.1", "fe80::1%eth0": "fe80::1",
		"Salesforce.com IP": "", "": "", "10.0.0.1, 10.0.0.2": "", "010.0.0.1": "", "10.0.0.1:443": "",
	} {
		if got := address(in); got != want {
			t.Errorf("address(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCanonical(t *testing.T) {
	for in, want := range map[string]string{
		"EVENT_TYPE": "EVENT_TYPE", "event_type": "EVENT_TYPE", "EventType": "EVENT_TYPE", "LoginHistoryId": "LOGIN_HISTORY_ID",
		"CreatedBy.Name": "CREATED_BY.NAME", "attributes": "ATTRIBUTES", "Id": "ID", " USER_ID ": "USER_ID", "": "",
	} {
		if got := canonical(in); got != want {
			t.Errorf("canonical(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestClipKeepsCharactersWhole(t *testing.T) {
	if got := clip("客户", 4); got != "客" {
		t.Errorf("clip = %q", got)
	}
}

func TestTimesDoesNotRunOver(t *testing.T) {
	if got := times(math.MaxInt64/2, 3); got != math.MaxInt64 {
		t.Errorf("times = %d", got)
	}
}

func TestFromClause(t *testing.T) {
	for in, want := range map[string]string{
		"SELECT Id FROM Contact":                                   "Contact",
		"select Id,(select Id from Contacts) from Account limit 1": "Account",
		"SELECT Id FROM":                                           "", "": "", "FIND {x}": "",
	} {
		if got := fromClause(in); got != want {
			t.Errorf("fromClause(%q) = %q, want %q", in, got, want)
		}
	}
}
