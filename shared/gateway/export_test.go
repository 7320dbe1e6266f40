package gateway

// Crashed counts a start that failed.
var Crashed = crashed
