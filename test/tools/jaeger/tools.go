//go:build tools

// Package tools makes Jaeger a dependency: its own go.mod has replacements, so `go install` refuses it.
package tools

import _ "github.com/jaegertracing/jaeger/cmd/jaeger"
