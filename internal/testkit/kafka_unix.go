//go:build unix

package testkit

import (
	"os/exec"
	"syscall"
)

// separate puts cmd into a process group of its own.
func separate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
