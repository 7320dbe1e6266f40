package protocol

import (
	"time"

	"aiwm-chat/shared/chat"
)

// EventConnected is the first frame that a connection gets. To an agent then come,
// oldest first, the messages that it has not answered, at most 200 of them.
const EventConnected = "connected"

// Connected is the data of the first frame that a connection gets.
type Connected struct {
	ConnectionID chat.ConnectionID  `json:"connectionId"`     // API Gateway's name for this connection
	Type         chat.PrincipalType `json:"type"`             // whether a person or a program is connected
	UserID       chat.PrincipalID   `json:"userId,omitzero"`  // who is connected, where it is a user
	AgentID      chat.PrincipalID   `json:"agentId,omitzero"` // who is connected, where it is an agent
}

// ConnectedOf describes c to its client.
func ConnectedOf(c chat.Connection) Connected {
	out := Connected{ConnectionID: c.ID, Type: c.Principal.Type}
	if c.Principal.Type == chat.Agent {
		out.AgentID = c.Principal.ID
	} else {
		out.UserID = c.Principal.ID
	}
	return out
}

// WelcomeJob asks to greet a connection once $connect has returned: nothing
// can be posted to it before.
type WelcomeJob struct {
	ConnectionID chat.ConnectionID  `json:"connectionId"`
	Type         chat.PrincipalType `json:"type"`
	ID           chat.PrincipalID   `json:"id"`
	OrgID        chat.OrgID         `json:"orgId"`
	ExpiresAt    int64              `json:"expiresAt"` // Unix seconds
	Dialect      chat.Dialect       `json:"dialect,omitzero"`
	Excess       bool               `json:"excess,omitzero"` // it is one too many: to be closed instead
}

// ExcessJobOf returns the job that tells c, which may not be open yet either, that
// it is one too many, and closes it.
func ExcessJobOf(c chat.Connection) WelcomeJob {
	return WelcomeJob{ConnectionID: c.ID, Type: c.Principal.Type, ID: c.Principal.ID, OrgID: c.Principal.OrgID, Excess: true}
}

// WelcomeJobOf returns the job that greets c.
func WelcomeJobOf(c chat.Connection) WelcomeJob {
	return WelcomeJob{
		ConnectionID: c.ID, Type: c.Principal.Type, ID: c.Principal.ID, OrgID: c.Principal.OrgID,
		ExpiresAt: c.ExpiresAt.Unix(), Dialect: c.Dialect,
	}
}

// Connection returns the connection to greet.
func (j WelcomeJob) Connection() chat.Connection {
	return chat.Connection{
		ID:        j.ConnectionID,
		Principal: chat.Principal{Type: j.Type, ID: j.ID, OrgID: j.OrgID},
		ExpiresAt: time.Unix(j.ExpiresAt, 0), Dialect: j.Dialect,
	}
}
