#ifdef __cplusplus
extern "C" {
#endif
void cxx_throw(void);
int cxx_method(void);
#ifdef __cplusplus
}
#endif
