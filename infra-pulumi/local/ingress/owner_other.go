//go:build !linux

package ingress

import (
	"fmt"
	"runtime"
)

// owner says how to find the process that listens on a port.
func owner(port int) string {
	if runtime.GOOS == "windows" {
		return fmt.Sprintf("Find who has it: netstat -ano | findstr :%d", port)
	}
	return fmt.Sprintf("Find who has it: lsof -nP -iTCP:%d -sTCP:LISTEN", port)
}
