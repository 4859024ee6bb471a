package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/crmwatch/crmwatch/detect/ruletest"
	"github.com/crmwatch/crmwatch/rules"
)

// rulesTestCmd runs the tests that authors put into their rules.
type rulesTestCmd struct {
	ruleSource
	Only string `name:"run" help:"Only the rules whose name or id contains this." placeholder:"NAME"`
}

func (r rulesTestCmd) Run(c *cli) error {
	set, err := r.load(c)
	if err != nil {
		return err
	}
	t := ruleTests{set: set, out: os.Stdout}
	for _, m := range set.Metas() {
		if strings.Contains(m.Name, r.Only) || strings.Contains(m.ID, strings.ToLower(r.Only)) {
			t.rule(m)
		}
	}
	return t.verdict(r.Only)
}

// ruleTests runs tests and counts how they went.
type ruleTests struct {
	set *rules.Set
	out io.Writer

	rules, tests, failed, untested int
}

func (t *ruleTests) rule(m *rules.Meta) {
	t.rules++
	if len(m.Tests) == 0 {
		t.untested++
		return
	}
	var wrong []string
	for _, test := range m.Tests {
		t.tests++
		if why := t.test(m, test); why != "" {
			wrong = append(wrong, fmt.Sprintf("     %s: %q: %s\n", test.Pos, test.Name, why))
		}
	}
	t.failed += len(wrong)
	word := "ok  "
	if len(wrong) > 0 {
		word = "FAIL"
	}
	fmt.Fprintf(t.out, "%s %-28s %d of %d tests\n%s", word, m.Name, len(m.Tests)-len(wrong), len(m.Tests), strings.Join(wrong, ""))
}

// test says what is wrong, nothing where all is right.
func (t *ruleTests) test(m *rules.Meta, test rules.Test) string {
	res, err := ruletest.Run(t.set, test, m)
	switch {
	case err != nil:
		return err.Error()
	case test.Matches && res.Found == 0:
		return fmt.Sprintf("must match, but nothing was found: %s", res)
	case !test.Matches && res.Found > 0:
		return fmt.Sprintf("must not match, but was found %s: %s", times(res.Found), res)
	default:
		return ""
	}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func (t *ruleTests) verdict(only string) error {
	switch {
	case t.rules == 0:
		return fmt.Errorf("no rule has %q in its name or id; crmwatch rules list shows them", only)
	case t.tests == 0:
		return fmt.Errorf("none of %d rules has tests; crmwatch rules new writes a rule that shows how", t.rules)
	}
	fmt.Fprintf(t.out, "%d tests of %d rules: %d failed", t.tests, t.rules-t.untested, t.failed)
	if t.untested > 0 {
		fmt.Fprintf(t.out, "; %d rules without tests", t.untested)
	}
	fmt.Fprintln(t.out)
	if t.failed > 0 {
		return errSilent
	}
	return nil
}
