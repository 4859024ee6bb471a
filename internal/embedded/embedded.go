// Package embedded starts the Kafka and the ClickHouse that come with the binary,
// for those who have none of their own. It returns their addresses and nothing
// else of them, so that no other code needs to know which kind it talks to.
//
// Kafka runs within this process. ClickHouse is the engine's shared library in a
// child process, the same binary started again: a crash or a shortage of memory in
// the engine never takes the detector with it, and the engine is started again.
// For that, [Child] must be the first call of main, and of TestMain.
package embedded

import (
	"fmt"
	"net"
	"net/netip"
)

// checkAddr refuses to listen where strangers could connect without a password.
func checkAddr(addr, password string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("read address %q: %w", addr, err)
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return fmt.Errorf("read address %q: the host must be an IP address", addr)
	}
	if !ip.IsLoopback() && password == "" {
		return fmt.Errorf("listen on %q: an address other than loopback needs a password", addr)
	}
	return nil
}
