//go:build linux && (amd64 || arm64)

package hugepages

import (
	"os"
	"regexp"
	"runtime"
	"strconv"
	"testing"
	"unsafe"
)

// The kernel is asked for the whole of the heap: it flags each mapping of it
// with hg (proc_pid_smaps(5)).
func TestAdvise(t *testing.T) {
	h, ok := find()
	if !ok {
		t.Skip("the kernel does not give huge pages to who asks")
	}
	if err := h.advise(); err != nil {
		t.Fatal(err)
	}
	grown := make([]byte, 100<<20)
	if err := h.advise(); err != nil {
		t.Fatal(err)
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	middle := uint64(uintptr(unsafe.Pointer(&grown[len(grown)/2])))
	flags := ""
	for _, m := range regexp.MustCompile(`(?ms)^([0-9a-f]+)-([0-9a-f]+) .*?^VmFlags: ([^\n]*)$`).FindAllSubmatch(smaps, -1) {
		from, _ := strconv.ParseUint(string(m[1]), 16, 64)
		to, _ := strconv.ParseUint(string(m[2]), 16, 64)
		if from <= middle && middle < to {
			flags = string(m[3])
		}
	}
	if !regexp.MustCompile(`\bhg\b`).MatchString(flags) {
		t.Errorf("the heap's mapping has the flags %q, want hg among them", flags)
	}
	runtime.KeepAlive(grown)
}

func TestWritableAround(t *testing.T) {
	const maps = `00400000-00500000 r-xp 00000000 fe:00 1 /bin/x
00500000-00600000 rw-p 00000000 00:00 0
c000000000-c000c00000 ---p 00000000 00:00 0
c000c00000-c001000000 rw-p 00000000 00:00 0 [anon: Go: heap]
c001000000-c004000000 rw-p 00000000 00:00 0
c004000000-c005000000 rw-p 00000000 00:00 0
c005000000-c008000000 ---p 00000000 00:00 0
7f0000000000-7f0000001000 rw-p 00000000 00:00 0
`
	for address, want := range map[uintptr][2]uintptr{
		0xc000c00000:   {0xc000c00000, 0xc005000000},
		0xc004ffffff:   {0xc000c00000, 0xc005000000},
		0x500000:       {0x500000, 0x600000},
		0x7f0000000800: {0x7f0000000000, 0x7f0000001000},
		0x400000:       {},
		0xc005000000:   {},
		0xc000000000:   {},
		0x7f0000001000: {},
	} {
		start, end, err := writableAround([]byte(maps), address)
		if start != want[0] || end != want[1] || (err == nil) != (end != 0) {
			t.Errorf("around %x: %x to %x, %v; want %x to %x", address, start, end, err, want[0], want[1])
		}
	}
	if _, _, err := writableAround([]byte("what is this\n"), 0); err == nil {
		t.Error("a line of another shape was taken")
	}
}
