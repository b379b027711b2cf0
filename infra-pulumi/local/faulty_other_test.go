//go:build !linux

package main

import "syscall"

// diesWithParent is a matter of Linux; elsewhere no version is run that has to be killed.
func diesWithParent() *syscall.SysProcAttr { return nil }
