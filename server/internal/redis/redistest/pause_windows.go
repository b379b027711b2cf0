package redistest

// Pause skips the test: a process cannot be paused here.
func (s *Server) Pause() { s.t.Skip("Windows cannot pause a process") }

// Resume ends a Pause.
func (s *Server) Resume() {}
