module cgosafe.test/programs

go 1.21
