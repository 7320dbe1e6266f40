package wsapi

import (
	"cmp"
	"log/slog"
	"net/http"
	"time"

	"aiwm-chat/local/faults"
)

// A Route sends the messages of one route key to a function.
type Route struct {
	Key           string        // "$connect", "$disconnect", "$default" or a value of the route selection expression
	Function      string        // logical id
	RouteResponse bool          // whether the body that the function returns goes to the client
	Timeout       time.Duration // of the integration, 50 ms to 29 s; Options.IntegrationTimeout if zero
}

// Options describes the API. Everything in the first group is required.
type Options struct {
	APIID, Stage             string
	Routes                   []Route
	RouteSelectionExpression string // "$request.body.action"; dotted paths into the body are supported, nothing else

	DomainName     string            // requestContext.domainName; the request's Host if empty
	MappingKey     string            // path under which a custom domain maps the stage, without slashes, such as "ws"; none if empty
	Authorizer     string            // function asked before $connect; nobody is asked if empty
	IdentitySource []string          // such as "route.request.header.Authorization"; a request that lacks one gets 401; nil: none
	StageVariables map[string]string // in every event; nil: none

	IdleTimeout        time.Duration // without a message in either direction; 10 min if zero
	MaxDuration        time.Duration // of a connection; 2 h if zero
	IntegrationTimeout time.Duration // 29 s if zero

	SigningKeys map[string]SigningKey // by access key id; with them @connections verifies signatures that come over HTTP; nil: only their form
	Unproven    Unproven
	Faults      *faults.Faults // nil: none
	Logger      *slog.Logger   // one line per invocation, never a body or a header; nil: nothing is logged
}

// A SigningKey is what is secret of an access key.
type SigningKey struct {
	Secret string
	Token  string // the session token that a request may name; empty: none
}

// Unproven are the points on which AWS is silent, each with the value that
// seems likeliest as its zero value.
type Unproven struct {
	HidePlainGET         bool   // a GET without Upgrade gets 403 instead of 426
	UnknownStageStatus   int    // 403 if zero
	ConnectNotInvoked    int    // status of a handshake whose $connect function is missing or may not be invoked; 500 if zero
	ConnectThrottled     int    // status of a handshake whose $connect function Lambda throttles; 502 if zero
	ThrottledMessage     string // text of the error frame when Lambda throttles; "Internal server error" if empty
	ConnectHeaders       bool   // all headers from $connect reach the client, not only Sec-WebSocket-Protocol
	MaxHeaderBytes       int    // of the handshake, 431 above; no limit if zero (HTTP and REST APIs have 10,240)
	IgnorePings          bool   // a ping gets no pong
	MaxDurationCode      int    // close code after MaxDuration; 1001 if zero
	LostCode             int    // disconnectStatusCode of a lost TCP connection; 1006 if zero
	LostSilently         bool   // no $disconnect for a lost TCP connection
	HideClientClose      bool   // the client's close code and reason are reported as 1005 instead of passed through
	MaxPost              int    // bytes of one POST, 413 above; 131072 if zero. With 32768 the frame rule holds for posts too
	MalformedIDStatus    int    // @connections with an id that cannot be one; 400 if zero, as has been seen; 410 is what an unknown one gets
	InvalidPostStatus    int    // of a POST whose body is no UTF-8 and so cannot be a text frame, such as 400; sent as it came if zero, and a strict client closes with 1007
	DisconnectedClientIP bool   // X-Forwarded-For of $disconnect is the client's address instead of empty
}

func (o Options) withDefaults() Options {
	o.IdleTimeout = cmp.Or(o.IdleTimeout, 10*time.Minute)
	o.MaxDuration = cmp.Or(o.MaxDuration, 2*time.Hour)
	o.IntegrationTimeout = cmp.Or(o.IntegrationTimeout, 29*time.Second)
	u := &o.Unproven
	u.UnknownStageStatus = cmp.Or(u.UnknownStageStatus, 403)
	u.ConnectNotInvoked = cmp.Or(u.ConnectNotInvoked, 500)
	u.ConnectThrottled = cmp.Or(u.ConnectThrottled, 502)
	u.ThrottledMessage = cmp.Or(u.ThrottledMessage, internalError)
	u.MaxDurationCode = cmp.Or(u.MaxDurationCode, 1001)
	u.LostCode = cmp.Or(u.LostCode, 1006)
	u.MaxPost = cmp.Or(u.MaxPost, maxMessage)
	u.MalformedIDStatus = cmp.Or(u.MalformedIDStatus, http.StatusBadRequest)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
