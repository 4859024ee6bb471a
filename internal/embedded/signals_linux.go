//go:build linux && (amd64 || arm64)

package embedded

import (
	"sync"
	"syscall"
	"unsafe"
)

// fatalSignals are those whose handlers the engine resets when it is told to leave
// the handlers alone.
var fatalSignals = [...]syscall.Signal{
	syscall.SIGABRT, syscall.SIGSEGV, syscall.SIGILL, syscall.SIGBUS,
	syscall.SIGSYS, syscall.SIGFPE, syscall.SIGTSTP, syscall.SIGTRAP,
}

// sigaction is the kernel's structure, larger than any version of it.
type sigaction [64]byte

// signalsMu keeps one caller of keepSignals from saving what another's call has
// just reset.
var signalsMu sync.Mutex

// keepSignals runs a function and puts the signal handlers back to what they were.
func keepSignals(run func()) {
	signalsMu.Lock()
	defer signalsMu.Unlock()
	var saved [len(fatalSignals)]sigaction
	for i, sig := range fatalSignals {
		changeSignal(sig, nil, &saved[i])
	}
	run()
	for i, sig := range fatalSignals {
		changeSignal(sig, &saved[i], nil)
	}
}

// changeSignal is sigaction(2). It cannot fail for these signals.
func changeSignal(sig syscall.Signal, set, get *sigaction) {
	const sizeofSigset = 8
	_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig),
		uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(get)), sizeofSigset, 0, 0) //nolint:gosec // the kernel takes addresses
}
