package load

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
)

// stream reads server-sent events that carry JSON-RPC messages.
type stream struct {
	response *http.Response
	lines    *bufio.Reader
	data     []byte

	cursor   string // id of the last event
	answered bool
	progress float64
	reports  int
}

var errStreamEnded = &failure{kind: "stream ended early", detail: "it had no answer"}

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}

func newStream(response *http.Response) *stream {
	s := &stream{}
	s.reopen(response)
	return s
}

func (s *stream) reopen(response *http.Response) {
	s.response, s.lines = response, readers.Get().(*bufio.Reader)
	s.lines.Reset(io.LimitReader(response.Body, largestReply))
}

// close may be called again. It ends the connection, unless the answer has
// come: then only the end of the stream is to be read.
func (s *stream) close() {
	if s.lines == nil {
		return
	}
	s.lines.Reset(nil)
	readers.Put(s.lines)
	s.lines = nil
	if s.answered {
		discard(s.response)
		return
	}
	_ = s.response.Body.Close() // there is nothing to be lost
}

// next is the next event that has a message.
func (s *stream) next() (message, error) {
	s.data = s.data[:0]
	for {
		line, err := s.lines.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			return message{}, errStreamEnded
		case errors.Is(err, bufio.ErrBufferFull): // a long line comes in parts
			whole := bytes.Clone(line)
			for errors.Is(err, bufio.ErrBufferFull) {
				line, err = s.lines.ReadSlice('\n')
				whole = append(whole, line...)
			}
			line = whole
		}
		if err != nil {
			return message{}, connectionFailure(err)
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			if len(s.data) == 0 {
				continue
			}
			var m message
			if err := json.Unmarshal(s.data, &m); err != nil {
				return message{}, &failure{"malformed reply", err.Error()}
			}
			s.answered = m.Method == ""
			return m, nil
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "id":
			s.cursor = string(value)
		case "data":
			s.data = append(s.data, value...)
		}
	}
}
