package guard

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// ownGroup keeps a console's Ctrl-C from the worker and its processes.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}

// enterGroup puts the worker, and so all that it starts, in a job object. The
// worker holds the only handle, never closed: when it ends, however it ends,
// the system ends the rest of the job.
func enterGroup() error {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return fmt.Errorf("create a job object: %w", err)
	}
	limits := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{
		BasicLimitInformation: windows.JOBOBJECT_BASIC_LIMIT_INFORMATION{
			LimitFlags: windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
		},
	}
	if _, err := windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits))); err != nil {
		return fmt.Errorf("limit the job object: %w", err)
	}
	if err := windows.AssignProcessToJobObject(job, windows.CurrentProcess()); err != nil {
		return fmt.Errorf("enter the job object: %w", err)
	}
	return nil
}

// killOwnGroup ends the worker, and with it the job.
func killOwnGroup() {
	os.Exit(1)
}

// killGroup has nothing to do: the job ended with the worker.
func killGroup(int) {}

// keepInBackground has nothing to do: here nobody is stopped for reading.
func keepInBackground() {}
