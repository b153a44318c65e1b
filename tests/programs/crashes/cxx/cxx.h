#ifdef __cplusplus
extern "C" {
#endif
void cxx_throw(void);
int cxx_method(void);
void cxx_throw_number(void);
void cxx_leave_noexcept(void);
void cxx_call_pure(void);
#ifdef __cplusplus
}
#endif
