// Package wiring puts uploads together.
package wiring

import (
	"aiwm-chat/functions/uploads/handler"
	"aiwm-chat/shared/auth"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/objects"
	"aiwm-chat/shared/presence"
	"aiwm-chat/shared/wire"
)

// Function is wired from what it needs.
var Function = wire.Function{
	Needs: []config.Part{config.Mongo, config.Redis, config.Uploads, config.JWT, config.RESTLimits, config.UploadLimits},
	Wire:  wired,
}

func wired(p *wire.Process) any {
	o := handler.Options{Off: p.Config.UploadsDisabled, Quota: int64(p.Config.Limits.UploadMegabytes) << 20}
	h := handler.New(mongostore.In(p), objects.In(p), o)
	return gateway.HTTP(auth.In(p), presence.In(p), h.Routes())
}
