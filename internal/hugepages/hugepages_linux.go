//go:build linux && (amd64 || arm64)

package hugepages

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

const hugePage = 2 << 20

// heap is the Go heap. It grows upwards from where it began; what the runtime
// had to put elsewhere keeps its small pages.
type heap struct {
	object *[64 << 10]byte // lies in it: it is too big for a stack
	asked  uintptr         // up to where the kernel was asked
}

// find gives the heap, and false where the kernel does not give huge pages to
// who asks.
func find() (*heap, bool) {
	enabled, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	if err != nil || !bytes.Contains(enabled, []byte("[madvise]")) {
		return nil, false
	}
	return &heap{object: new([64 << 10]byte)}, true
}

// advise asks for huge pages for what the heap has grown by since the last call.
func (h *heap) advise() error {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return err
	}
	start, end, err := writableAround(maps, uintptr(unsafe.Pointer(h.object))) //nolint:gosec // G103: an address to look for, nothing is read through it
	if err != nil {
		return err
	}
	start = max(start+hugePage-1, h.asked) &^ (hugePage - 1)
	end &^= hugePage - 1
	if end <= start {
		return nil
	}
	if _, _, no := unix.Syscall(unix.SYS_MADVISE, start, end-start, unix.MADV_HUGEPAGE); no != 0 {
		return fmt.Errorf("madvise: %w", no)
	}
	h.asked = end
	// What is in use already is moved now. Before Linux 6.1 that is left to the
	// kernel's daemon, and where no huge page is free it stays as it is.
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, start, end-start, unix.MADV_COLLAPSE)
	return nil
}

// writableAround gives the memory that may be read and written without a gap
// around an address, by the lines of /proc/self/maps (proc_pid_maps(5)), which
// are in the order of their addresses.
func writableAround(maps []byte, address uintptr) (start, end uintptr, err error) {
lines:
	for line := range bytes.Lines(maps) {
		span, rest, _ := bytes.Cut(line, []byte(" "))
		lo, hi, _ := bytes.Cut(span, []byte("-"))
		from, err1 := strconv.ParseUint(string(lo), 16, 64)
		to, err2 := strconv.ParseUint(string(hi), 16, 64)
		if err1 != nil || err2 != nil {
			return 0, 0, fmt.Errorf("/proc/self/maps has the line %q", line)
		}
		switch writable := bytes.HasPrefix(rest, []byte("rw")); {
		case writable && uintptr(from) == end:
			end = uintptr(to)
		case end > address:
			break lines
		case writable:
			start, end = uintptr(from), uintptr(to)
		}
	}
	if address < start || end <= address {
		return 0, 0, fmt.Errorf("/proc/self/maps has no writable memory at %x", address)
	}
	return start, end, nil
}
