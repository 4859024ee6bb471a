//go:build !linux || !(amd64 || arm64)

package hugepages

// heap is the Go heap; only Linux tells where it is.
type heap struct{}

func find() (*heap, bool) { return nil, false }

func (*heap) advise() error { return nil }
