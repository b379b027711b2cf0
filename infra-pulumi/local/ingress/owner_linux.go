package ingress

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// owner says which process listens on a port. Of other users' processes the
// kernel does not tell.
func owner(port int) string {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		inode := listeningInode(table, port)
		if inode == "" {
			continue
		}
		if pid, name := holder("socket:[" + inode + "]"); pid != "" {
			return fmt.Sprintf("Process %s (%s) has it. End that first.", pid, name)
		}
	}
	return fmt.Sprintf("Find who has it: sudo ss -ltnp 'sport = :%d'", port)
}

// listeningInode finds the socket that listens on a port.
func listeningInode(table string, port int) string {
	file, err := os.Open(table)
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	const listening = "0A"
	for scan := bufio.NewScanner(file); scan.Scan(); {
		// sl local_address rem_address st … inode; addresses are hexadecimal
		fields := strings.Fields(scan.Text())
		if len(fields) > 9 && fields[3] == listening && strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
			return fields[9]
		}
	}
	return ""
}

// holder finds the process that has a file open.
func holder(target string) (pid, name string) {
	descriptors, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return "", ""
	}
	for _, descriptor := range descriptors {
		if link, err := os.Readlink(descriptor); err != nil || link != target {
			continue
		}
		process := filepath.Dir(filepath.Dir(descriptor))
		command, err := os.ReadFile(filepath.Join(process, "comm"))
		if err != nil {
			continue
		}
		return filepath.Base(process), strings.TrimSpace(string(command))
	}
	return "", ""
}
