// SPDX-License-Identifier: MIT
// A caller in Rust: an echo server and three clients on one loop, after docs/bindings.md alone. $PTK_CONSTANTS is a file
// with the constants and layouts of that page, which test_rust_caller.py writes.
#![allow(dead_code)]

use std::ffi::{c_char, c_int, c_void, CStr};
use std::mem::{offset_of, size_of};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU32, Ordering};

include!(env!("PTK_CONSTANTS"));

type Err = i32;
type Body = extern "C" fn(*mut c_void) -> Err;

#[repr(C)]
struct Loop([u8; 0]);
#[repr(C)]
struct Sock([u8; 0]);
#[repr(C)]
struct Green([u8; 0]);

#[repr(C)]
struct GreenOptions {
    struct_size: u32,
    flags: u32,
    name: *const c_char,
    stack_bytes: usize,
    stack: *mut c_void,
    lifetime_ms: u32,
    reserved: u32,
}

#[repr(C)]
struct Addr {
    length: u32,
    storage: [u64; 16],
}

#[link(name = "ptk")]
unsafe extern "C" {
    fn ptk_event_loop_platform_create() -> *mut Loop;
    fn ptk_event_loop_platform_destroy(ptk: *mut Loop) -> Err;
    fn ptk_scheduler_run(ptk: *mut Loop) -> Err;
    fn ptk_go_at(ptk: *mut Loop, body: Body, arg: *mut c_void, name: *const c_char, file: *const c_char, line: c_int) -> Err;
    fn ptk_green_spawn_at(
        ptk: *mut Loop, options: *const GreenOptions, body: Body, arg: *mut c_void, name: *const c_char,
        file: *const c_char, line: c_int,
    ) -> *mut Green;
    fn ptk_green_join(green: *mut Green, result_out: *mut Err, timeout_ms: u32) -> Err;
    fn ptk_tcp_listen(ptk: *mut Loop, address: *const c_char, options: *const c_void) -> *mut Sock;
    fn ptk_tcp_connect(address: *const c_char, timeout_ms: u32) -> *mut Sock;
    fn ptk_sock_local_addr(sock: *const Sock, addr_out: *mut c_void, length: *mut u32) -> Err;
    fn ptk_addr_format(addr: *const c_void, length: u32, text_out: *mut c_char, bytes: usize) -> Err;
    fn ptk_sock_accept(sock: *mut Sock, addr: *mut c_void, length: *mut u32, timeout_ms: u32) -> *mut Sock;
    fn ptk_sock_recv(sock: *mut Sock, data: *mut u8, bytes: usize, timeout_ms: u32) -> Err;
    fn ptk_sock_recv_some(sock: *mut Sock, data: *mut u8, bytes: usize, received: *mut usize, timeout_ms: u32) -> Err;
    fn ptk_sock_send(sock: *mut Sock, data: *const u8, bytes: usize, timeout_ms: u32) -> Err;
    fn ptk_sock_close(sock: *mut Sock);
    fn ptk_sleep_ms(ms: u32) -> Err;
    fn ptk_get_err() -> Err;
    fn ptk_err_name(err: Err) -> *const c_char;
}

const TIMEOUT_MS: u32 = 20000;
const CLIENTS: u32 = 3;
const MESSAGES: u32 = 50;

static ECHOES: AtomicU32 = AtomicU32::new(0);
static CLIENTS_LEFT: AtomicU32 = AtomicU32::new(CLIENTS);

fn expect(err: Err, wanted: i64, what: &str) {
    if i64::from(err) != wanted {
        let name = unsafe { CStr::from_ptr(ptk_err_name(err)) };
        eprintln!("{what}: {}", name.to_string_lossy());
        std::process::exit(1);
    }
}

fn expect_object<T>(pointer: *mut T, what: &str) -> *mut T {
    if pointer.is_null() {
        expect(unsafe { ptk_get_err() }, PTK_OK, what);
    }
    pointer
}

extern "C" fn serve(sock: *mut c_void) -> Err {
    let sock: *mut Sock = sock.cast();
    let mut data = [0u8; 100];
    let mut count = 0;
    loop {
        let err = unsafe { ptk_sock_recv_some(sock, data.as_mut_ptr(), data.len(), &mut count, TIMEOUT_MS) };
        if i64::from(err) == PTK_ERR_EOF {
            break;
        }
        expect(err, PTK_OK, "the server's receive");
        expect(unsafe { ptk_sock_send(sock, data.as_ptr(), count, TIMEOUT_MS) }, PTK_OK, "the server's send");
    }
    unsafe { ptk_sock_close(sock) };
    PTK_OK as Err
}

extern "C" fn accept_all(listener: *mut c_void) -> Err {
    loop {
        let sock = unsafe { ptk_sock_accept(listener.cast(), null_mut(), null_mut(), PTK_TIMEOUT_INFINITE as u32) };
        if sock.is_null() {
            expect(unsafe { ptk_get_err() }, PTK_ERR_CLOSED, "the end of the listener");
            return PTK_OK as Err;
        }
        let err = unsafe { ptk_go_at(null_mut(), serve, sock.cast(), c"serve".as_ptr(), c"rust_caller.rs".as_ptr(), 1) };
        expect(err, PTK_OK, "the start of a connection");
    }
}

struct Server {
    listener: *mut Sock,
    address: [c_char; PTK_ADDR_TEXT_BYTES as usize],
}

fn talk(sock: *mut Sock) {
    for i in 0..MESSAGES {
        let message = format!("message {i}").into_bytes();
        let mut data = vec![0u8; message.len()];
        expect(unsafe { ptk_sock_send(sock, message.as_ptr(), message.len(), TIMEOUT_MS) }, PTK_OK, "the client's send");
        expect(unsafe { ptk_sock_recv(sock, data.as_mut_ptr(), data.len(), TIMEOUT_MS) }, PTK_OK, "the client's receive");
        if data == message {
            ECHOES.fetch_add(1, Ordering::Relaxed);
        }
        expect(unsafe { ptk_sleep_ms(1) }, PTK_OK, "the client's sleep");
    }
    let err = unsafe { ptk_sock_recv(sock, [0u8; 1].as_mut_ptr(), 1, 1) };
    expect(err, PTK_ERR_TIMEOUT, "a receive without bytes");
}

extern "C" fn be_client(server: *mut c_void) -> Err {
    let server: &Server = unsafe { &*server.cast() };
    let sock = expect_object(unsafe { ptk_tcp_connect(server.address.as_ptr(), TIMEOUT_MS) }, "the client's connect");
    talk(sock);
    unsafe { ptk_sock_close(sock) };
    if CLIENTS_LEFT.fetch_sub(1, Ordering::Relaxed) == 1 {
        unsafe { ptk_sock_close(server.listener) };
    }
    PTK_ERR_DONE as Err
}

fn listen(ptk: *mut Loop) -> Server {
    let listener = expect_object(unsafe { ptk_tcp_listen(ptk, c"127.0.0.1:0".as_ptr(), null()) }, "the listener");
    let mut server = Server { listener, address: [0; PTK_ADDR_TEXT_BYTES as usize] };
    let mut addr = Addr { length: (size_of::<Addr>() - offset_of!(Addr, storage)) as u32, storage: [0; 16] };
    let storage: *mut c_void = addr.storage.as_mut_ptr().cast();
    expect(unsafe { ptk_sock_local_addr(listener, storage, &mut addr.length) }, PTK_OK, "the address");
    let text = server.address.as_mut_ptr();
    expect(unsafe { ptk_addr_format(storage, addr.length, text, server.address.len()) }, PTK_OK, "its text");
    server
}

fn check_layouts() {
    assert_eq!(size_of::<GreenOptions>(), SIZE_OF_PTK_GREEN_OPTIONS_T);
    assert_eq!(offset_of!(GreenOptions, stack_bytes), OFFSET_OF_PTK_GREEN_OPTIONS_T_STACK_BYTES);
    assert_eq!(offset_of!(GreenOptions, lifetime_ms), OFFSET_OF_PTK_GREEN_OPTIONS_T_LIFETIME_MS);
    assert_eq!(size_of::<Addr>(), SIZE_OF_PTK_ADDR_T);
    assert_eq!(offset_of!(Addr, storage), OFFSET_OF_PTK_ADDR_T_STORAGE);
}

fn main() {
    check_layouts();
    let ptk = expect_object(unsafe { ptk_event_loop_platform_create() }, "the loop");
    let mut server = listen(ptk);
    let arg: *mut c_void = (&raw mut server).cast();
    let (listener, file) = (server.listener.cast(), c"rust_caller.rs".as_ptr());
    expect(unsafe { ptk_go_at(ptk, accept_all, listener, c"server".as_ptr(), file, 2) }, PTK_OK, "the server");
    let options = GreenOptions {
        struct_size: size_of::<GreenOptions>() as u32,
        flags: 0,
        name: null(),
        stack_bytes: 256 * 1024,
        stack: null_mut(),
        lifetime_ms: 0,
        reserved: 0,
    };
    let clients: Vec<*mut Green> = (0..CLIENTS)
        .map(|_| unsafe { ptk_green_spawn_at(ptk, &options, be_client, arg, c"client".as_ptr(), file, 3) })
        .map(|green| expect_object(green, "a client"))
        .collect();
    expect(unsafe { ptk_scheduler_run(ptk) }, PTK_OK, "run");
    for green in clients {
        let mut result = 0;
        expect(unsafe { ptk_green_join(green, &mut result, 0) }, PTK_OK, "join");
        expect(result, PTK_ERR_DONE, "the result of a client");
    }
    expect(unsafe { ptk_event_loop_platform_destroy(ptk) }, PTK_OK, "the end of the loop");
    println!("{} echoes", ECHOES.load(Ordering::Relaxed));
}
