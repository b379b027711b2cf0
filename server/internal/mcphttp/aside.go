package mcphttp

// aside runs f in a goroutine of its own, and waits. A connection's goroutine
// keeps the stack that it has once needed, for as long as a stream is open on
// it. So what goes deep and comes once, or rarely, is left to others: asking
// Redis, mcp-go's dispatch, net/http's writing of the first header. That halves
// the stack, which is 8 KB less for each idle stream.
func aside(f func()) {
	done := make(chan any, 1)
	go func() {
		defer func() { done <- recover() }()
		f()
	}()
	if cause := <-done; cause != nil {
		panic(cause)
	}
}
