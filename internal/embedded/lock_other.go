//go:build !unix

package embedded

import (
	"errors"
	"fmt"
	"os"
)

// lockDir fails: without a lock that ends with its process, two processes could
// ruin one directory.
func lockDir(dir string) (*os.File, error) {
	return nil, fmt.Errorf("lock %s: %w on this system", dir, errors.ErrUnsupported)
}
