//go:build !linux

package embedded

import "os/exec"

func bind(*exec.Cmd) {}

func preferVictim() {}
