using System;
using System.IO;

namespace Fungraph
{
    /// <summary>A frame that came in.</summary>
    struct Frame
    {
        internal int Kind;
        internal int Call;
        internal byte[] Payload;
    }

    /// <summary>
    /// Frames of crates/instance/PROTOCOL.md. One thread reads, any thread writes. Small frames are read with one system call and
    /// written with one.
    /// </summary>
    sealed class Wire
    {
        internal const int Load = 1;
        internal const int Initialize = 2;
        internal const int Invoke = 3;
        internal const int Stop = 4;
        internal const int InvokeAs = 5;
        internal const int Hello = 65;
        internal const int Loaded = 66;
        internal const int Initialized = 67;
        internal const int Result = 68;
        internal const int Failed = 69;
        internal const int Log = 70;
        internal const int Stopped = 71;

        const int Header = 12;
        const int Most = 16 << 20;
        const int AtOnce = 16384;

        static readonly byte[] Nothing = new byte[0];

        readonly IChannel channel;
        readonly object writing = new object();
        readonly byte[] read = new byte[AtOnce];
        readonly byte[] written = new byte[AtOnce];
        int start;
        int end;

        internal Wire(IChannel channel)
        {
            this.channel = channel;
        }

        /// <summary>The next frame; false where the platform has closed its end.</summary>
        internal bool Next(out Frame frame)
        {
            frame = default(Frame);
            if (!Fill(Header))
            {
                return false;
            }
            int length = BitConverter.ToInt32(read, start);
            frame.Call = BitConverter.ToInt32(read, start + 4);
            frame.Kind = read[start + 10];
            start += Header;
            if (length < 0 || length > Most)
            {
                throw new InvalidDataException("a frame of " + length + " bytes, more than the limit");
            }
            frame.Payload = length == 0 ? Nothing : new byte[length];
            int got = Math.Min(length, end - start);
            Buffer.BlockCopy(read, start, frame.Payload, 0, got);
            start += got;
            while (got < length)
            {
                int more = channel.Read(frame.Payload, got, length - got);
                if (more == 0)
                {
                    return false;
                }
                got += more;
            }
            return true;
        }

        /// <summary>Whether somebody waits for an answer.</summary>
        internal bool IsAsked()
        {
            return start < end || channel.IsReadable();
        }

        internal void Send(int kind, int call)
        {
            Send(kind, call, Nothing, 0, 0);
        }

        internal void Send(int kind, int call, byte[] payload)
        {
            Send(kind, call, payload, 0, 0);
        }

        /// <summary>Sends a frame. Ends the process where the platform is gone: nobody is left to run for.</summary>
        internal void Send(int kind, int call, byte[] payload, int code, int form)
        {
            int whole = Header + payload.Length;
            lock (writing)
            {
                byte[] frame = whole <= AtOnce ? written : new byte[whole];
                Put(frame, 0, payload.Length);
                Put(frame, 4, call);
                frame[8] = (byte)code;
                frame[9] = (byte)(code >> 8);
                frame[10] = (byte)kind;
                frame[11] = (byte)form;
                Buffer.BlockCopy(payload, 0, frame, Header, payload.Length);
                try
                {
                    channel.Write(frame, whole);
                }
                catch (IOException)
                {
                    Descriptor.End(1);
                }
            }
        }

        bool Fill(int wanted)
        {
            if (start == end)
            {
                start = 0;
                end = 0;
            }
            else if (read.Length - start < wanted)
            {
                Buffer.BlockCopy(read, start, read, 0, end - start);
                end -= start;
                start = 0;
            }
            while (end - start < wanted)
            {
                int more = channel.Read(read, end, read.Length - end);
                if (more == 0)
                {
                    return false;
                }
                end += more;
            }
            return true;
        }

        static void Put(byte[] bytes, int at, int number)
        {
            bytes[at] = (byte)number;
            bytes[at + 1] = (byte)(number >> 8);
            bytes[at + 2] = (byte)(number >> 16);
            bytes[at + 3] = (byte)(number >> 24);
        }
    }
}
