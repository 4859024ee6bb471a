//go:build linux && (amd64 || arm64)

package embedded

import (
	"errors"
	"runtime"
	"syscall"
	"testing"
)

// A fault in Go code must stay a panic after the engine has reset the handlers.
func TestSignalsAreKept(t *testing.T) {
	keepSignals(func() {
		for _, sig := range fatalSignals {
			changeSignal(sig, &sigaction{}, nil) // to the default, as the engine does
		}
	})
	defer func() {
		var fault runtime.Error
		if err, ok := recover().(error); !ok || !errors.As(err, &fault) {
			t.Errorf("got %v, want a runtime error", err)
		}
	}()
	var nothing *struct{ a [16]int }
	nothing.a[3] = int(syscall.SIGSEGV)
}
