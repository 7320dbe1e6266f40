package wsapi

import (
	"log/slog"
	"time"

	"aiwm-chat/local/faults"
)

// Route sends the messages of one route key to a function.
type Route struct {
	Key           string        // "$connect", "$disconnect", "$default" or a value of the route selection expression
	Function      string        // logical id
	RouteResponse bool          // whether the body that the function returns goes to the client
	Timeout       time.Duration // of the integration, 50 ms to 29 s; 0: Options.IntegrationTimeout
}

// Options describes the API. Everything in the first group is required; in the rest the zero value is the default.
type Options struct {
	APIID, Stage             string
	Routes                   []Route
	RouteSelectionExpression string // "$request.body.action"; dotted paths into the body are supported, nothing else

	DomainName     string            // requestContext.domainName; the request's Host if empty
	MappingKey     string            // path under which a custom domain maps the stage, without slashes, such as "ws"
	Authorizer     string            // function asked before $connect; none if empty
	IdentitySource []string          // such as "route.request.header.Authorization"; a request that lacks one gets 401
	StageVariables map[string]string // in every event, where there are any

	IdleTimeout        time.Duration // without a message in either direction; 10 min
	MaxDuration        time.Duration // of a connection; 2 h
	IntegrationTimeout time.Duration // 29 s

	SigningKeys map[string]string // access key id to secret: @connections then verifies signatures; otherwise only their form
	Unproven    Unproven
	Faults      *faults.Faults
	Logger      *slog.Logger // one line per invocation, never a body or a header; nothing if nil
}

// Unproven are the points on which AWS is silent, each with the value that seems likeliest as its zero value.
type Unproven struct {
	HidePlainGET         bool   // a GET without Upgrade gets 403 instead of 426
	UnknownStageStatus   int    // 403
	ConnectNotInvoked    int    // status of a handshake whose $connect function is missing or may not be invoked; 500
	ConnectThrottled     int    // status of a handshake whose $connect function Lambda throttles; 502
	ThrottledMessage     string // text of the error frame when Lambda throttles; "Internal server error"
	ConnectHeaders       bool   // all headers from $connect reach the client, not only Sec-WebSocket-Protocol
	MaxHeaderBytes       int    // of the handshake, 431 above; no limit (HTTP and REST APIs have 10,240)
	IgnorePings          bool   // a ping gets no pong
	MaxDurationCode      int    // close code after MaxDuration; 1001
	LostCode             int    // disconnectStatusCode of a lost TCP connection; 1006
	LostSilently         bool   // no $disconnect for a lost TCP connection
	HideClientClose      bool   // the client's close code and reason are reported as 1005 instead of passed through
	MaxPost              int    // bytes of one POST, 413 above; 131072. With 32768 the frame rule holds for posts too
	MalformedIDStatus    int    // @connections with an id that cannot be one; 410, but 400 has been seen
	DisconnectedClientIP bool   // X-Forwarded-For of $disconnect is the client's address instead of empty
}

func (o Options) withDefaults() Options {
	setDefault(&o.IdleTimeout, 10*time.Minute)
	setDefault(&o.MaxDuration, 2*time.Hour)
	setDefault(&o.IntegrationTimeout, 29*time.Second)
	setDefault(&o.Unproven.UnknownStageStatus, 403)
	setDefault(&o.Unproven.ConnectNotInvoked, 500)
	setDefault(&o.Unproven.ConnectThrottled, 502)
	setDefault(&o.Unproven.ThrottledMessage, internalError)
	setDefault(&o.Unproven.MaxDurationCode, 1001)
	setDefault(&o.Unproven.LostCode, 1006)
	setDefault(&o.Unproven.MaxPost, maxMessage)
	setDefault(&o.Unproven.MalformedIDStatus, 410)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
