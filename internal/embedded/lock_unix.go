//go:build unix

package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockPatience is how long a directory may stay locked by a process that is just
// going away, such as the child of a parent that was killed a moment ago.
const lockPatience = 3 * time.Second

// lockDir creates the directory and takes it for this process and for those that
// inherit the file. The kernel lets go of it when the last of them is gone, however
// they ended, so no stale lock is possible.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create data directory: %w", err)
	}
	name := filepath.Join(dir, "lock")
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	deadline := time.Now().Add(lockPatience)
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return f, nil
		case errors.Is(err, syscall.EINTR):
		case !errors.Is(err, syscall.EWOULDBLOCK):
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", name, err)
		case time.Now().After(deadline):
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: another process uses this directory", name)
		default:
			time.Sleep(20 * time.Millisecond)
		}
	}
}
