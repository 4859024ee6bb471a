package testkit

import "testing"

func TestMain(m *testing.M) { Main(m) }

func TestDatabasesAreApart(t *testing.T) {
	addr, password, one := Database(t)
	same, _, two := Database(t)
	if addr != same || one == two {
		t.Fatalf("got %s %s and %s %s, want one server and two databases", addr, one, same, two)
	}
	execute(t, addr, password, "CREATE TABLE "+one+".t (a UInt8) ENGINE = MergeTree ORDER BY a")
	execute(t, addr, password, "CREATE TABLE "+two+".t (a UInt8) ENGINE = MergeTree ORDER BY a")
}
