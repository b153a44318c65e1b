module cgosafe.dev/analyzer

go 1.21

require golang.org/x/tools v0.24.1
