/* Functions whose stack use is told by gcc's -fstack-usage, and measured here: "NAME BYTES" for each. */
#include <string.h>
#include <stdlib.h>
#include <stdio.h>

#define NI __attribute__((noinline, noclone))

NI int leaf(int a){ return a*3+1; }
NI int redzone(int a){ volatile int b[20]; for(int i=0;i<20;i++) b[i]=a; return b[a&15]; }
NI int big(int a){ volatile char b[5000]; memset((char*)b,a,sizeof b); return b[a]; }
NI int huge_(int a){ volatile char b[70000]; memset((char*)b,a,sizeof b); return b[a]; }
NI int many(int a,int b,int c,int d,int e,int f,int g,int h,int i){ return leaf(a)+leaf(b+c)+d*e+f+g*h+leaf(i); }
NI int callmany(int x){ return many(x,1,2,3,4,5,6,7,x)+many(1,x,2,3,4,5,6,7,x); }
NI int aligned(int x){ _Alignas(64) volatile char b[128]; memset((char*)b,x,128); return b[x&127]+leaf(x); }
NI int alloca_(int n){ char *p=__builtin_alloca(n); memset(p,1,n); return p[n/2]+leaf(n); }
NI int vla(int n){ int s=0; for(int k=1;k<n;k++){ char p[k]; memset(p,1,k); s+=p[k/2]; } return s+leaf(n); }
NI int sw(int n){ switch(n){case 0:return leaf(1);case 1:return big(2);case 2:return leaf(7)*3;case 3:return many(1,2,3,4,5,6,7,8,9);case 4:return 5+leaf(n);case 5:return aligned(n)+1;case 6: return n*leaf(3); default:return 9;} }
NI int tail(int n){ return sw(n+1); }
NI int selfrec(int n){ return n?selfrec(n-1)+leaf(n)*2:1; }
NI int mutb(int n);
NI int muta(int n){ volatile char x[40]; x[n&7]=1; return n?mutb(n-1)+x[3]:1; }
NI int mutb(int n){ return n?muta(n-1)*3:2; }
int (*volatile fp)(int)=leaf;
NI int ind(int n){ return fp(n)+1; }
NI int indtail(int n){ return fp(n); }
static int (*const ops[])(int)={leaf,redzone,big,muta};
NI int table(int n){ return ops[n&3](n); }
NI int noret(int n){ if(__builtin_expect(n>100,0)) abort(); volatile int b[30]; b[n&7]=2; if(n==50){ fprintf(stderr,"x"); exit(3);} return b[3]+leaf(n); }
NI void cold_(int n) __attribute__((cold));
NI void cold_(int n){ printf("%d\n",n); }
NI int coldpart(int n){ volatile int b[50]; b[n&31]=1; if(n>3){ cold_(n); cold_(n+1);} return b[2]+leaf(n); }
NI int branches(int n){ int s=0; for(int i=0;i<n;i++){ if(i&1) s+=leaf(i); else { int q[10]; memset(q,i,sizeof q); s+=q[i&7]; if(s>9) continue; s+=redzone(s);} } return s; }
NI double flt(double a,double b,double c){ volatile double x[9]; x[1]=a*b; return x[1]+c*leaf((int)a); }
NI long nested(long n){ if(n<2) return 1; long a=nested(n/2); long b=nested(n/3); return a+b*leaf(n); }
NI int shrunk(int n) {
	if (n < 3) return n;
	volatile int b[60];
	memset((void *)b, n, sizeof b);
	if (__builtin_expect(n > 1000, 0)) cold_(n);
	return b[n & 31] + leaf(n);
}
NI int cg(int n){ static void*t[]={&&a,&&b,&&c}; goto *t[n%3]; a: return leaf(1); b: n=big(n); c: return n+leaf(2); }

#define ROOM 262144

/* Bytes from the stack pointer before the call down to the lowest byte that the call changed. */
static long used_by(int (*f)(int), int n) {
	char *sp;
	__asm__ volatile(
		"mov %%rsp, %%rbx\n\t"
		"and $-64, %%rsp\n\t"
		"lea -%c3(%%rsp), %%rdi\n\t"
		"mov $%c3, %%ecx\n\t"
		"mov $0xa5, %%al\n\t"
		"cld; rep stosb\n\t"
		"mov %%rsp, %%r12\n\t"
		"mov %2, %%edi\n\t"
		"call *%1\n\t"
		"mov %%r12, %0\n\t"
		"mov %%rbx, %%rsp"
		: "=r"(sp)
		: "r"(f), "r"(n), "i"(ROOM)
		: "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "memory", "cc");
	for (char *at = sp - ROOM; at < sp; at++)
		if (*at != (char)0xa5) return sp - at;
	return 0;
}

#define EACH(f) {#f, (int (*)(int))f},
static struct { const char *name; int (*f)(int); } functions[] = {
	EACH(leaf) EACH(redzone) EACH(big) EACH(huge_) EACH(callmany) EACH(aligned) EACH(alloca_) EACH(vla) EACH(sw)
	EACH(tail) EACH(selfrec) EACH(muta) EACH(ind) EACH(indtail) EACH(table) EACH(coldpart) EACH(branches)
	EACH(nested) EACH(cg) EACH(shrunk)
};

int main(int argc, char **argv) {
	for (unsigned i = 0; i < sizeof functions / sizeof *functions; i++) {
		long most = 0;
		for (int n = 0; n < 12; n++) {
			long used = used_by(functions[i].f, n);
			most = used > most ? used : most;
		}
		fprintf(stderr, "%s %ld\n", functions[i].name, most);
	}
	return argc > 99 ? noret(argc) + (int)flt(argc, 1, 2) + muta(argc) : 0;
}
