package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
)

// errCut is the end of an operation whose stream was cut on purpose.
var errCut = errors.New("cut")

// attempt is one operation of one client.
type attempt struct {
	*run
	number int64
	client *client
	at     int // which address is next
}

func (a *attempt) url() *url.URL { return a.plan.url(a.at) }

func (a *attempt) do(ctx context.Context, operation Operation) error {
	switch operation {
	case Initialize:
		return a.initializeAndEnd(ctx)
	case List:
		return a.list(ctx)
	case Progress, Resume:
		return a.progress(ctx, operation)
	case Mirror:
		return a.mirror(ctx)
	default:
		return a.call(ctx)
	}
}

func (a *attempt) initializeAndEnd(ctx context.Context) error {
	if a.plan.Era == Stateless {
		got, err := a.ask(ctx, a.client, a.url(), request{id: a.number, method: "server/discover"})
		if err == nil && !got.supports(statelessVersion) {
			err = &failure{"wrong result", "server/discover does not list " + statelessVersion}
		}
		return err
	}
	c := &client{principal: a.client.principal}
	if _, err := a.initialize(ctx, c, a.url(), a.number); err != nil {
		return err
	}
	a.ending.Go(func() { // not part of what is timed
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.plan.Timeout)
		defer cancel()
		_ = a.endSession(ctx, c, a.url()) // it expires by itself
	})
	return nil
}

func (a *attempt) list(ctx context.Context) error {
	got, err := a.ask(ctx, a.client, a.url(), request{id: a.number, method: "tools/list"})
	if err == nil && len(got.Tools) == 0 {
		err = &failure{"wrong result", "tools/list names no tool"}
	}
	return err
}

func (a *attempt) call(ctx context.Context) error {
	got, err := a.ask(ctx, a.client, a.url(), a.toolCall(Call))
	if err != nil {
		return err
	}
	return a.checkCall(got)
}

func (a *attempt) checkCall(got result) error {
	text, err := got.text(a.client)
	if err != nil || a.plan.Call.Name != "" {
		return err
	}
	x, y := terms(a.number)
	if text != strconv.FormatInt(x+y, 10) {
		return &failure{"wrong result", fmt.Sprintf("%d and %d make %d, not what was answered", x, y, x+y)}
	}
	return nil
}

// toolCall is a tools/call.
func (a *attempt) toolCall(operation Operation) request {
	name, arguments := a.plan.tool(operation, a.number)
	params := make([]byte, 0, 128)
	params = append(params, `"name":`...)
	params = strconv.AppendQuote(params, name)
	params = append(params, `,"arguments":`...)
	return request{
		id: a.number, method: "tools/call", name: name,
		params: append(params, arguments...),
		token:  operation == Progress || operation == Resume,
	}
}

// mirror wants back what it sent.
func (a *attempt) mirror(ctx context.Context) error {
	q := a.toolCall(Call)
	body := q.body(a.plan.Era == Stateless)
	response, err := a.post(ctx, a.client, a.url(), q, body)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // read to its end
	buffer := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buffer)
	buffer.Reset()
	if _, err := buffer.ReadFrom(io.LimitReader(response.Body, largestReply)); err != nil {
		return connectionFailure(err)
	}
	if !bytes.Equal(buffer.Bytes(), body) {
		return &failure{"wrong result", "other bytes than were sent came back"}
	}
	return nil
}

// progress calls a tool that reports its progress. To resume, it leaves the
// stream after the first event and goes on at the next address.
func (a *attempt) progress(ctx context.Context, operation Operation) error {
	q := a.toolCall(operation)
	response, err := a.post(ctx, a.client, a.url(), q, q.body(a.plan.Era == Stateless))
	if err != nil {
		return err
	}
	if !isStream(response) {
		_ = response.Body.Close() // its connection is given up
		return &failure{"no stream", "the tool's answer came without its progress"}
	}
	s := newStream(response)
	defer s.close()
	if operation == Progress {
		var first error
		if a.plan.Cut > 0 && float64(scatter(a.number)>>11)/(1<<53) < a.plan.Cut {
			first = errCut
		}
		return a.follow(s, first)
	}
	switch err := a.follow(s, errCut); {
	case err == nil:
		return &failure{"no stream", "the tool had ended before its stream could be cut"}
	case !errors.Is(err, errCut):
		return err
	case s.cursor == "":
		return &failure{"cannot be resumed", "the stream's events have no ids"}
	}
	s.close()
	return a.resume(ctx, s)
}

// resume reads the rest of a stream, which a server may end at any event.
func (a *attempt) resume(ctx context.Context, cut *stream) error {
	const attempts = 10
	for range attempts {
		a.at++
		response, err := a.get(ctx, a.client, a.url(), cut.cursor)
		if err != nil {
			return err
		}
		if !isStream(response) {
			_ = response.Body.Close() // its connection is given up
			return &failure{"no stream", "a resumed stream is answered with something else"}
		}
		cut.reopen(response)
		err = a.follow(cut, nil)
		cut.close()
		if !errors.Is(err, errStreamEnded) {
			return err
		}
	}
	return errStreamEnded
}

// follow reads a stream to its result. Every step must be reported once and in
// order. After the first report it returns first, unless that is nil.
func (a *attempt) follow(s *stream, first error) error {
	for {
		m, err := s.next()
		if err != nil {
			return err
		}
		switch m.Method {
		case "":
			got, err := m.outcome(a.client, a.number)
			if err != nil {
				return err
			}
			return a.checkProgress(got, s)
		case "notifications/progress":
			if string(m.Params.ProgressToken) != strconv.FormatInt(a.number, 10) {
				return &failure{"wrong event", "the progress of another call came"}
			}
			if m.Params.Progress <= s.progress {
				return &failure{"repeated event", fmt.Sprintf("progress %g after %g", m.Params.Progress, s.progress)}
			}
			s.progress = m.Params.Progress
			s.reports++
			if first != nil {
				return first
			}
		}
	}
}

func (a *attempt) checkProgress(got result, s *stream) error {
	if _, err := got.text(a.client); err != nil {
		return err
	}
	if s.reports == 0 || a.plan.Progress.Name == "" && s.reports != stepCount {
		return &failure{"lost event", fmt.Sprintf("%d reports of progress came", s.reports)}
	}
	return nil
}
