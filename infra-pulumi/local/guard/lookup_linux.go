package guard

import (
	"fmt"
	"os"
	"strings"
)

// lookUp finds a process's parent and the name of its executable.
func lookUp(pid int) (parent int, name string, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, "", err
	}
	// pid (name) state parent …; the name may hold anything, parentheses too.
	text := string(stat)
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return 0, "", fmt.Errorf("process %d: unexpected status %q", pid, text)
	}
	var state string
	if _, err := fmt.Sscan(text[end+1:], &state, &parent); err != nil {
		return 0, "", fmt.Errorf("process %d: %w", pid, err)
	}
	return parent, text[open+1 : end], nil
}
