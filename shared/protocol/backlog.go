package protocol

// EventBacklog follows the messages that waited for an agent, where there are
// more than come by themselves.
const EventBacklog = "backlog"

// Backlog is the data of EventBacklog: GET /agents/{id}/backlog goes on at the
// cursor.
type Backlog struct {
	More   bool   `json:"more"`   // there is more: GET /agents/{id}/backlog has it
	Cursor string `json:"cursor"` // where it goes on
}

// BacklogPage is the body of GET /agents/{id}/backlog: what users said that the
// agent has not answered, oldest conversation first.
type BacklogPage struct {
	Data       []Message     `json:"data"` // the oldest conversation first
	Pagination BacklogCursor `json:"pagination"`
}

// BacklogCursor is the pagination of a backlog.
type BacklogCursor struct {
	Limit   int    `json:"limit"`           // the most entries of a page
	HasMore bool   `json:"hasMore"`         // another page follows
	Cursor  string `json:"cursor,omitzero"` // of the page that follows
}
