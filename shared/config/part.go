package config

import (
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Part is a group of variables that a function needs or does not. What a
// function's wiring lists is all that it gets to know, so the list must match its
// environment in template.yaml.
type Part int

// The parts.
const (
	Mongo Part = iota
	Redis
	Connections
	WelcomeQueue
	SummaryQueue
	StreamQueue
	JWT
	OpenAI
	ConnectionLimits
	JoinLimits
	SendLimits
	TypingLimit
	PingLimit
	RESTLimits
	SummaryLimit
	AnnotateLimits
	MarkLimit
	ExportLimit
	SearchLimit
	SignalLimit
	TURN
	AllowedOrigins
	WebSocket
	RunQueue
	Providers
	ProviderKeys
	ToolServers
	Uploads
	UploadLimits
	WebhookQueue
	Webhooks
	parts // how many there are
)

// Parts returns all parts.
func Parts() []Part {
	all := make([]Part, parts)
	for i := range all {
		all[i] = Part(i)
	}
	return all
}

// groups says of each part which variables template.yaml has to set and how
// they are read. What Lambda or a developer sets (AWS_…) is not listed.
var groups = [...]struct {
	variables []string
	read      func(*reader, *Config)
}{
	Mongo:        {[]string{"MONGODB_URI", "MONGODB_URI_ARN", "MONGODB_DB", "MONGODB_SERVER_API"}, readMongo},
	Redis:        {[]string{"REDIS_ADDR", "REDIS_MODE", "REDIS_USERNAME", "REDIS_PASSWORD", "REDIS_PASSWORD_ARN", "REDIS_TLS"}, readRedis},
	Connections:  {[]string{"CONNECTIONS_URL"}, readConnections},
	WelcomeQueue: {[]string{"WELCOME_QUEUE_URL"}, readWelcomeQueue},
	SummaryQueue: {[]string{"SUMMARY_QUEUE_URL"}, readSummaryQueue},
	StreamQueue:  {[]string{"STREAM_QUEUE_URL"}, readStreamQueue},
	JWT: {[]string{
		"JWT_ALGORITHMS", "JWT_SECRET", "JWT_SECRET_ARN", "JWT_PUBLIC_KEY", "JWT_JWKS_URL", "JWT_JWKS_KEEP", "JWT_ISSUER", "JWT_AUDIENCE",
		"JWT_CLAIM_USER", "JWT_CLAIM_AGENT", "JWT_CLAIM_ORG", "JWT_CLAIM_ROLES", "JWT_CLAIM_AUDIENCE",
	}, readJWT},
	OpenAI: {[]string{"OPENAI_API_KEY", "OPENAI_API_KEY_ARN", "OPENAI_BASE_URL", "OPENAI_MODEL", "OPENAI_TIMEOUT", "OPENAI_MAX_TOKENS", "OPENAI_TEMPERATURE"}, readOpenAI},
	ConnectionLimits: {[]string{"LIMIT_USER_CONNECTIONS", "LIMIT_AGENT_CONNECTIONS"}, func(r *reader, c *Config) {
		c.Limits.UserConnections = r.limit("LIMIT_USER_CONNECTIONS", 20)
		c.Limits.AgentConnections = r.limit("LIMIT_AGENT_CONNECTIONS", 100)
	}},
	JoinLimits: {[]string{"LIMIT_ROOMS", "LIMIT_JOINS"}, func(r *reader, c *Config) {
		c.Limits.Rooms = r.limit("LIMIT_ROOMS", 100)
		c.Limits.Joins = r.rate("LIMIT_JOINS", Rate{120, time.Minute, 200})
	}},
	SendLimits: {[]string{"LIMIT_USER_MESSAGES", "LIMIT_AGENT_MESSAGES", "LIMIT_FANOUT"}, func(r *reader, c *Config) {
		c.Limits.UserMessages = r.rate("LIMIT_USER_MESSAGES", Rate{60, time.Minute, 20})
		c.Limits.AgentMessages = r.rate("LIMIT_AGENT_MESSAGES", Rate{20, time.Second, 40})
		c.Limits.Fanout = r.rate("LIMIT_FANOUT", Rate{1000, time.Second, 10_000})
	}},
	TypingLimit: {[]string{"LIMIT_TYPING"}, func(r *reader, c *Config) {
		c.Limits.Typing = r.rate("LIMIT_TYPING", Rate{60, time.Minute, 30})
	}},
	PingLimit: {[]string{"LIMIT_PINGS"}, func(r *reader, c *Config) {
		c.Limits.Pings = r.rate("LIMIT_PINGS", Rate{60, time.Minute, 30})
	}},
	RESTLimits: {[]string{"LIMIT_READS", "LIMIT_WRITES", "LIMIT_CREATIONS", "LIMIT_ADDITIONS"}, func(r *reader, c *Config) {
		c.Limits.Reads = r.rate("LIMIT_READS", Rate{600, time.Minute, 600})
		c.Limits.Writes = r.rate("LIMIT_WRITES", Rate{120, time.Minute, 120})
		c.Limits.Creations = r.rate("LIMIT_CREATIONS", Rate{30, time.Minute, 30})
		c.Limits.Additions = r.rate("LIMIT_ADDITIONS", Rate{60, time.Minute, 60})
	}},
	SummaryLimit: {[]string{"LIMIT_SUMMARIES"}, func(r *reader, c *Config) {
		c.Limits.Summaries = r.rate("LIMIT_SUMMARIES", Rate{6, time.Minute, 6})
	}},
	AnnotateLimits: {[]string{"LIMIT_REACTIONS", "LIMIT_EDITS"}, func(r *reader, c *Config) {
		c.Limits.Reactions = r.rate("LIMIT_REACTIONS", Rate{120, time.Minute, 120})
		c.Limits.Edits = r.rate("LIMIT_EDITS", Rate{30, time.Minute, 30})
	}},
	MarkLimit: {[]string{"LIMIT_MARKS"}, func(r *reader, c *Config) {
		c.Limits.Marks = r.rate("LIMIT_MARKS", Rate{120, time.Minute, 120})
	}},
	ExportLimit: {[]string{"LIMIT_EXPORTS"}, func(r *reader, c *Config) {
		c.Limits.Exports = r.rate("LIMIT_EXPORTS", Rate{60, time.Minute, 60})
	}},
	SearchLimit: {[]string{"LIMIT_SEARCHES"}, func(r *reader, c *Config) {
		c.Limits.Searches = r.rate("LIMIT_SEARCHES", Rate{60, time.Minute, 60})
	}},
	UploadLimits: {[]string{"UPLOADS_ENABLED", "LIMIT_UPLOADS", "LIMIT_UPLOAD_MEGABYTES"}, func(r *reader, c *Config) {
		c.UploadsDisabled = !r.flag("UPLOADS_ENABLED", "true")
		c.Limits.Uploads = r.rate("LIMIT_UPLOADS", Rate{30, time.Minute, 30})
		c.Limits.UploadMegabytes = r.limit("LIMIT_UPLOAD_MEGABYTES", 1000)
	}},
	SignalLimit: {[]string{"LIMIT_SIGNALS"}, func(r *reader, c *Config) {
		c.Limits.Signals = r.rate("LIMIT_SIGNALS", Rate{300, time.Minute, 300})
	}},
	TURN:           {[]string{"TURN_URLS", "TURN_SECRET", "TURN_SECRET_ARN"}, readTURN},
	AllowedOrigins: {[]string{"ALLOWED_ORIGINS"}, readOrigins},
	WebSocket: {[]string{"WEBSOCKET_ENABLED"}, func(r *reader, c *Config) {
		c.WebSocketDisabled = !r.flag("WEBSOCKET_ENABLED", "true")
	}},
	Uploads:      {[]string{"UPLOADS_BUCKET"}, readUploads},
	RunQueue:     {[]string{"RUN_QUEUE_URL"}, readRunQueue},
	Providers:    {[]string{"PROVIDERS"}, readProviders},
	ProviderKeys: {[]string{"PROVIDER_KEYS", "PROVIDER_KEYS_ARN"}, readProviderKeys},
	ToolServers:  {[]string{"TOOL_SERVERS", "TOOL_SERVERS_ARN", "TOOL_SERVERS_LOCAL"}, readToolServers},
	WebhookQueue: {[]string{"WEBHOOK_QUEUE_URL"}, func(r *reader, c *Config) {
		c.WebhookQueueURL = r.requiredURL("WEBHOOK_QUEUE_URL")
		readAWS(r, c)
	}},
	Webhooks: {[]string{"WEBHOOKS_LOCAL"}, func(r *reader, c *Config) {
		c.WebhooksLocal = r.flag("WEBHOOKS_LOCAL", "false")
	}},
}

// Variables returns the names of the variables of the part, as template.yaml
// sets them.
func (p Part) Variables() []string { return slices.Clone(groups[p].variables) }

// isICE matches the URL of a STUN or TURN server.
var isICE = regexp.MustCompile(`^(stuns?|turns?):[^ ,]+$`)

func readTURN(r *reader, c *Config) {
	c.TURN.Secret, c.TURN.Renewal = r.text("TURN_SECRET"), r.secrets["TURN_SECRET"]
	for _, url := range strings.FieldsFunc(r.text("TURN_URLS"), func(c rune) bool { return c == ',' || c == ' ' }) {
		if !isICE.MatchString(url) {
			r.fault("TURN_URLS", "must be URLs such as turn:turn.example.org:3478?transport=udp, with commas between them")
		}
		c.TURN.URLs = append(c.TURN.URLs, url)
	}
}

func readMongo(r *reader, c *Config) {
	c.Mongo.URI, c.Mongo.Renewal = r.required("MONGODB_URI"), r.secrets["MONGODB_URI"]
	if uri := c.Mongo.URI; uri != "" && !isMongo(uri) {
		r.fault("MONGODB_URI", "must begin with mongodb:// or mongodb+srv://")
	}
	const forbidden, longest = "/\\. \"$*<>:|?\x00", 63 // MongoDB's rules for a database's name
	c.Mongo.Database = r.textOr("MONGODB_DB", "aiwm_chat")
	if db := c.Mongo.Database; len(db) > longest || strings.ContainsAny(db, forbidden) {
		r.fault("MONGODB_DB", "must be the name of a database")
	}
	if c.Mongo.ServerAPI = r.text("MONGODB_SERVER_API"); c.Mongo.ServerAPI != "" && c.Mongo.ServerAPI != "1" {
		r.fault("MONGODB_SERVER_API", "must be 1, or empty")
	}
}

func isMongo(uri string) bool {
	return strings.HasPrefix(uri, "mongodb://") || strings.HasPrefix(uri, "mongodb+srv://")
}

func readRedis(r *reader, c *Config) {
	c.Redis.Addrs = r.list("REDIS_ADDR")
	if addr := RedisAddr(r.getenv); r.text("REDIS_ADDR") == "" && addr != "" {
		if c.Redis.Addrs = []string{addr}; !isHostPort(addr) {
			r.fault("REDIS_HOST", "and REDIS_PORT must be a host and a port")
			c.Redis.Addrs = nil
		}
	} else if len(c.Redis.Addrs) == 0 {
		r.fault("REDIS_ADDR", "is required")
	}
	if slices.ContainsFunc(c.Redis.Addrs, func(a string) bool { return !isHostPort(a) }) {
		r.fault("REDIS_ADDR", "must be host:port, or several separated by commas")
	}
	switch c.Redis.Mode = RedisMode(r.textOr("REDIS_MODE", string(RedisAuto))); {
	case c.Redis.Mode == RedisSingle && len(c.Redis.Addrs) > 1:
		r.fault("REDIS_MODE", "must not be single with several addresses")
	case c.Redis.Mode != RedisAuto && c.Redis.Mode != RedisSingle && c.Redis.Mode != RedisCluster:
		r.fault("REDIS_MODE", "must be auto, single or cluster")
	}
	c.Redis.Username = r.text("REDIS_USERNAME")
	c.Redis.Password, c.Redis.Renewal = r.raw("REDIS_PASSWORD"), r.secrets["REDIS_PASSWORD"]
	c.Redis.TLS = r.flag("REDIS_TLS", "false")
}

// RedisAddr is REDIS_ADDR, or what REDIS_HOST and REDIS_PORT say in its place, which
// other services of a team may have already; "" where neither is set.
func RedisAddr(getenv func(string) string) string {
	r := &reader{getenv: getenv}
	if addr := r.text("REDIS_ADDR"); addr != "" {
		return addr
	}
	host := r.text("REDIS_HOST")
	if host == "" {
		return ""
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), r.textOr("REDIS_PORT", "6379"))
}

func readConnections(r *reader, c *Config) {
	c.ConnectionsURL = r.requiredURL("CONNECTIONS_URL")
	readAWS(r, c)
}

func readWelcomeQueue(r *reader, c *Config) {
	c.WelcomeQueueURL = r.requiredURL("WELCOME_QUEUE_URL")
	readAWS(r, c)
}

func readSummaryQueue(r *reader, c *Config) {
	c.SummaryQueueURL = r.requiredURL("SUMMARY_QUEUE_URL")
	readAWS(r, c)
}

func readStreamQueue(r *reader, c *Config) {
	c.StreamQueueURL = r.requiredURL("STREAM_QUEUE_URL")
	readAWS(r, c)
}

func readRunQueue(r *reader, c *Config) {
	c.RunQueueURL = r.requiredURL("RUN_QUEUE_URL")
	readAWS(r, c)
}

func readUploads(r *reader, c *Config) {
	c.Uploads.Bucket = r.text("UPLOADS_BUCKET")
	const forbidden, longest = "/\\ \x00", 63 // of what would be another path
	if b := c.Uploads.Bucket; len(b) > longest || strings.ContainsAny(b, forbidden) {
		r.fault("UPLOADS_BUCKET", "must be the name of a bucket")
	}
	c.Uploads.Endpoint = r.url("AWS_ENDPOINT_URL_S3")
	readAWS(r, c)
}

func readAWS(r *reader, c *Config) {
	c.AWS.Region = r.required("AWS_REGION")
	c.AWS.AccessKeyID = r.required("AWS_ACCESS_KEY_ID")
	c.AWS.SecretAccessKey = r.required("AWS_SECRET_ACCESS_KEY")
	c.AWS.SessionToken = r.text("AWS_SESSION_TOKEN")
}

// minSecret is the shortest HS256 secret in bytes: that of the hash, below
// which RFC 7518 §3.2 forbids it.
const minSecret = 32

func readJWT(r *reader, c *Config) {
	c.JWT.Algorithms = r.list("JWT_ALGORITHMS")
	c.JWT.Secret, c.JWT.Renewal = []byte(r.raw("JWT_SECRET")), r.secrets["JWT_SECRET"]
	if n := len(c.JWT.Secret); n > 0 && n < minSecret {
		r.fault("JWT_SECRET", "must be at least %d bytes", minSecret)
	}
	c.JWT.PublicKey = strings.ReplaceAll(r.text("JWT_PUBLIC_KEY"), `\n`, "\n")
	c.JWT.JWKSURL = r.secureURL("JWT_JWKS_URL")
	c.JWT.JWKSKeep = r.duration("JWT_JWKS_KEEP", 24*time.Hour, 7*24*time.Hour)
	if c.JWT.PublicKey != "" && c.JWT.JWKSURL != "" {
		r.fault("JWT_JWKS_URL", "must not be set together with JWT_PUBLIC_KEY")
	}
	if len(c.JWT.Secret) == 0 && c.JWT.PublicKey == "" && r.text("JWT_JWKS_URL") == "" {
		r.fault("JWT_SECRET", "is required, or else JWT_PUBLIC_KEY or JWT_JWKS_URL")
	}
	checkAlgorithms(r, c)
	c.JWT.Issuer = r.text("JWT_ISSUER")
	c.JWT.Audience = r.text("JWT_AUDIENCE")
	c.JWT.ClaimUser = r.listOr("JWT_CLAIM_USER", "userId", "sub")
	c.JWT.ClaimAgent = r.listOr("JWT_CLAIM_AGENT", "agentId")
	c.JWT.ClaimOrg = r.listOr("JWT_CLAIM_ORG", "orgId")
	c.JWT.ClaimRoles = r.listOr("JWT_CLAIM_ROLES", "roles")
	c.JWT.ClaimAudience = r.listOr("JWT_CLAIM_AUDIENCE", "aud")
}

// checkAlgorithms finds those without a key: each token of theirs would be refused, and
// nobody would know why. Of which kind the public key is, is seen where it is read.
func checkAlgorithms(r *reader, c *Config) {
	symmetric := r.text("JWT_SECRET") != "" || r.unread["JWT_SECRET"]
	public := c.JWT.PublicKey != "" || r.text("JWT_JWKS_URL") != ""
	for _, a := range c.JWT.Algorithms {
		switch {
		case !slices.Contains([]string{"HS256", "RS256", "ES256", "EdDSA"}, a):
			r.fault("JWT_ALGORITHMS", "must be some of HS256, RS256, ES256 and EdDSA, separated by commas")
		case !symmetric && !public: // a fault already
		case a == "HS256" && !symmetric:
			r.fault("JWT_ALGORITHMS", "has HS256, which needs JWT_SECRET")
		case a != "HS256" && !public:
			r.fault("JWT_ALGORITHMS", "has %s, which needs JWT_PUBLIC_KEY or JWT_JWKS_URL", a)
		}
	}
}

func readOpenAI(r *reader, c *Config) {
	c.OpenAI.APIKey, c.OpenAI.Renewal = r.text("OPENAI_API_KEY"), r.secrets["OPENAI_API_KEY"]
	if c.OpenAI.BaseURL = r.url("OPENAI_BASE_URL"); c.OpenAI.BaseURL == "" {
		c.OpenAI.BaseURL = "https://api.openai.com/v1"
	}
	c.OpenAI.Model = r.textOr("OPENAI_MODEL", "gpt-6-luna")
	c.OpenAI.Timeout = r.duration("OPENAI_TIMEOUT", 20*time.Second, time.Minute)
	c.OpenAI.MaxTokens = r.count("OPENAI_MAX_TOKENS", 4000)
	if s := r.text("OPENAI_TEMPERATURE"); s != "" {
		t, err := strconv.ParseFloat(s, 64)
		if err != nil || !(t >= 0 && t <= 2) {
			r.fault("OPENAI_TEMPERATURE", "must be a number from 0 to 2")
		}
		c.OpenAI.Temperature = &t
	}
}
