package handler

// roomy calls do on a stack that is large enough for what the drivers of the
// databases and the encoder need. A new goroutine's stack is small and grows by
// doubling, and each time everything on it is copied and mended: at the beginning,
// with nothing on it, that is for nothing. (Four such stacks were a twentieth of a
// message's CPU.)
//
//go:noinline
func roomy(do func()) {
	var room [stackRoom]byte
	touch(&room)
	do()
}

const stackRoom = 20 << 10

//go:noinline
func touch(room *[stackRoom]byte) { room[0] = 1 }
