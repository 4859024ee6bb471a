//go:build !linux

package embedded

import (
	"os"
	"os/exec"
)

func bind(*exec.Cmd) {}

func preferVictim() {}

func ownBinary() (string, error) { return os.Executable() }
