// Package crossing follows Go values to where C gets them.
//
// # What it reports
//
// A diagnostic's category is RULE/KIND/FUNCTION, such as "CGS002/map/sum"; KIND and FUNCTION may be empty. KIND is the kind
// of Go value that reaches C: map, chan, func, interface, slice, string or pointer. FUNCTION is the C function, or the
// exported Go function, without its prefix "C.". The message is one sentence. The related positions are the steps that the
// value took, its birth first and the place where C gets it last.
//
// The rules tell how C gets it, and stay what they are:
//
//	CGS001  as a pointer argument
//	CGS002  as an integer argument
//	CGS003  stored into C memory or a C variable
//	CGS004  returned to C by an exported function
//	CGS005  as user data given to C together with a C function pointer
//	CGS006  inside a C struct passed by value
//	CGS090  an ignore comment that gives no reason
//	CGS091  an ignore comment that silences nothing
//	CGS099  no finding: the work on a package that uses C was cut short, and crossings may be unseen
//
// A comment "//cgosafe:ignore CGS001 why it is safe" silences the rule on its own line, or on the next line when it stands
// alone. Several rules are separated by commas.
package crossing
