//! Fan-out with nothing but sockets: what a change costs when it is a write for each watcher.
//!
//! Each connection says with its first byte what it is: `w` watches, `t` tells. Each byte that a teller sends then is a
//! change: a frame of [`FRAME`] bytes to every watcher, who was answered its `w` when it began to be told. Changes read together leave in one write, as they would anywhere.

use std::{io, sync::Mutex};

use anyhow::Context;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
};

use super::{listener, until_over};

/// Bytes of one change, about as many as Ward's.
pub(crate) const FRAME: usize = 256;

/// One change: four bytes of length, then whatever.
pub(crate) fn frame() -> Vec<u8> {
    let mut frame = vec![0; FRAME];
    frame[..4].copy_from_slice(&u32::try_from(FRAME).expect("a short frame").to_be_bytes());
    frame
}

/// More changes than are ever under way.
const TOGETHER: usize = 64;

pub(super) async fn serve() -> anyhow::Result<()> {
    let listener = listener().await?;
    let addr = listener.local_addr()?;
    tokio::select! {
        accepted = accept(listener) => accepted,
        over = until_over(addr) => over,
    }
}

async fn accept(listener: TcpListener) -> anyhow::Result<()> {
    let watchers: &'static Mutex<Vec<TcpStream>> = Box::leak(Box::default());
    loop {
        let (mut stream, _) = listener.accept().await.context("accept")?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            match stream.read_u8().await {
                Ok(b'w') if stream.try_write(b"w").is_ok() => {
                    watchers
                        .lock()
                        .expect("nobody panics while holding it")
                        .push(stream);
                }
                Ok(_) => drop(tell(stream, watchers).await),
                Err(_) => {}
            }
        });
    }
}

async fn tell(mut teller: TcpStream, watchers: &Mutex<Vec<TcpStream>>) -> io::Result<()> {
    let frames = frame().repeat(TOGETHER);
    let mut changes = [0; TOGETHER];
    loop {
        let count = teller.read(&mut changes).await?;
        if count == 0 {
            return Ok(());
        }
        for watcher in watchers.lock().expect("nobody panics while holding it").iter() {
            let bytes = &frames[..count * FRAME];
            // A watcher here always reads: what does not fit at once is an error, and the client misses it.
            if watcher.try_write(bytes)? < bytes.len() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
    }
}
