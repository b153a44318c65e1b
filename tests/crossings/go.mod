module cgosafe.test/crossings

go 1.21
