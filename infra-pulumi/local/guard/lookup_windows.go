package guard

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/windows"
)

// lookUp finds a process's parent and the name of its executable.
func lookUp(pid int) (parent int, name string, err error) {
	snapshot, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPPROCESS, 0)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = windows.CloseHandle(snapshot) }()

	entry := windows.ProcessEntry32{Size: uint32(unsafe.Sizeof(windows.ProcessEntry32{}))}
	for err = windows.Process32First(snapshot, &entry); err == nil; err = windows.Process32Next(snapshot, &entry) {
		if entry.ProcessID == uint32(pid) {
			return int(entry.ParentProcessID), windows.UTF16ToString(entry.ExeFile[:]), nil
		}
	}
	return 0, "", fmt.Errorf("process %d: %w", pid, err)
}
