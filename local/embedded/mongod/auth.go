package mongod

import (
	"crypto/rand"

	"github.com/xdg-go/scram"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// A login is the one user who is let in.
type login struct {
	user   string
	server *scram.Server
}

// mechanism is the only one there is.
const mechanism = "SCRAM-SHA-256"

// iterations are few, for there is nothing here that is worth guessing.
const iterations = 4096

// Require lets in only who authenticates as user by SCRAM-SHA-256; connections
// that are in stay in, as MongoDB has it after a password was changed. It is for
// tests of passwords that are: there is still no TLS.
func (s *Server) Require(user, password string) error {
	client, err := scram.SHA256.NewClient(user, password, "")
	if err != nil {
		return err
	}
	stored, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: rand.Text()[:16], Iters: iterations})
	if err != nil {
		return err
	}
	server, err := scram.SHA256.NewServer(func(name string) (scram.StoredCredentials, error) {
		if name != user {
			return scram.StoredCredentials{}, errorf(codeAuthenticationFailed, "Authentication failed.")
		}
		return stored, nil
	})
	if err != nil {
		return err
	}
	s.login.Store(&login{user, server})
	return nil
}

// open are the commands that nobody has to be known for.
var open = map[string]bool{"saslStart": true, "saslContinue": true, "buildInfo": true, "buildinfo": true, "ping": true, "endSessions": true}

// authenticated refuses a command of somebody who is not known.
func (s *Server) authenticated(r *request, c command) error {
	if s.login.Load() == nil || c.options == nil || open[r.name] || r.peer.known {
		return nil
	}
	return errorf(codeUnauthorized, "Command %s requires authentication", r.name)
}

func saslStart(s *Server, r *request, dst []byte) ([]byte, error) {
	login := s.login.Load()
	if login == nil {
		return nil, unsupported("command", r.name)
	}
	if m, _ := field(r.body, "mechanism").StringValueOK(); m != mechanism {
		return nil, errorf(codeAuthenticationFailed, "mechanism %.100q is not supported", m)
	}
	r.peer.talk = login.server.NewConversation()
	return saslContinue(s, r, dst)
}

func saslContinue(_ *Server, r *request, dst []byte) ([]byte, error) {
	_, payload, ok := field(r.body, "payload").BinaryOK()
	talk := r.peer.talk
	if !ok || talk == nil {
		return nil, errorf(codeAuthenticationFailed, "Authentication failed.")
	}
	var answer string
	if !talk.Done() {
		var err error
		if answer, err = talk.Step(string(payload)); err != nil {
			r.peer.talk = nil
			return nil, errorf(codeAuthenticationFailed, "Authentication failed.")
		}
	}
	r.peer.known = r.peer.known || talk.Valid()
	dst = bsoncore.AppendInt32Element(dst, "conversationId", 1)
	dst = bsoncore.AppendBooleanElement(dst, "done", talk.Done())
	return bsoncore.AppendBinaryElement(dst, "payload", 0, []byte(answer)), nil
}
