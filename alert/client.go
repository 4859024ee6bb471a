package alert

import (
	"regexp"
	"strings"
)

// browsers are found in a user agent in this order, because most of them claim
// to be others too.
var browsers = [...]struct{ mark, name string }{
	{"Edg/", "Edge"},
	{"OPR/", "Opera"},
	{"MicroMessenger/", "WeChat"},
	{"DingTalk/", "DingTalk"},
	{"SalesforceMobileSDK/", "Salesforce mobile app"},
	{"HeadlessChrome/", "headless Chrome"},
	{"Chrome/", "Chrome"},
	{"Firefox/", "Firefox"},
	{"Version/", "Safari"},
}

var systems = [...]struct{ mark, name string }{
	{"Windows", "Windows"},
	{"Android", "Android"},
	{"iPhone", "iPhone"},
	{"iPad", "iPad"},
	{"Mac OS X", "macOS"},
	{"CrOS", "ChromeOS"},
	{"Linux", "Linux"},
}

// maxAgent is how much of a user agent is looked at, in characters.
const maxAgent = 500

var product = regexp.MustCompile(`^([^/\s]+)/([0-9][^\s/]*)`)

// client says in a few words what a user agent is: "Chrome 142 on Windows",
// "python-requests 2.32.3".
func client(userAgent string) string {
	s := oneLine(userAgent, maxAgent)
	if !strings.HasPrefix(s, "Mozilla/") {
		return value(product.ReplaceAllString(s, "$1 $2"))
	}
	name := "a browser"
	for _, b := range browsers {
		if _, after, found := strings.Cut(s, b.mark); found {
			name = strings.TrimSpace(b.name + " " + digits(after))
			break
		}
	}
	for _, system := range systems {
		if strings.Contains(s, system.mark) {
			return name + " on " + system.name
		}
	}
	return name
}

// digits returns the number that s begins with, of at most four digits.
func digits(s string) string {
	n := 0
	for n < len(s) && n < 4 && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return s[:n]
}
