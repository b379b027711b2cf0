//go:build race

package mcphttp

const raceDetector = true
