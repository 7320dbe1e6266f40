package proxy

import "bufio"

// Request and Answer read one message, for the fuzz test.
func (p Protocol) Request(r *bufio.Reader) ([]byte, error) {
	m, err := p.request(r)
	return m.raw, err
}

// Answer reads an answer, and changes it as a Gate does.
func (p Protocol) Answer(r *bufio.Reader) ([]byte, error) {
	m, err := p.answer(r)
	if err == nil && p == MongoDB {
		doubtful(m, Verdict{})
	}
	return m.raw, err
}
