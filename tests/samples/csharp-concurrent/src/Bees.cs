using System;
using System.Threading;
using System.Threading.Tasks;
using HC.Serverless.Function.Common;

namespace Garden
{
    public class Bee
    {
        public string Name { get; set; }

        public string Request { get; set; }
    }

    /// <summary>All bees meet before one returns.</summary>
    public class Bees
    {
        readonly Barrier all = new Barrier(4);

        public async Task<Bee> Fly(Bee bee, IFunctionContext context)
        {
            if (!all.SignalAndWait(10000))
            {
                throw new TimeoutException("the others did not come");
            }
            Console.WriteLine("printed by " + bee.Name);
            await Task.Run(() => Console.WriteLine("helped " + bee.Name));
            bee.Request = context.RequestId;
            return bee;
        }
    }
}
